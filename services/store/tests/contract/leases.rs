//! The contract of named leases.

use std::time::Duration;

use bindery_core::seams::StoreError;

use crate::harness::{BOUND, Place, within, worker};

on_both!(
    one_of_many_gets_it,
    a_released_lease_can_be_taken_and_fences_grow,
    an_expired_lease_can_be_taken_and_the_old_holder_has_lost_it,
    a_holder_that_is_late_but_not_replaced_may_renew,
    names_are_independent,
);

const SHORT: Duration = Duration::from_millis(200);

async fn one_of_many_gets_it(place: Place) {
    let stores = place.open().await;
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let leases = stores.leases.clone();
            tokio::spawn(async move { leases.try_acquire("cull", &worker(&number.to_string()), BOUND).await.unwrap() })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        winners.extend(within(task).await.unwrap());
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    stores.close().await;
}

async fn a_released_lease_can_be_taken_and_fences_grow(place: Place) {
    let stores = place.open().await;
    let mut last = None;
    for number in 0..10 {
        let holder = worker(&number.to_string());
        let lease = stores.leases.try_acquire("cull", &holder, BOUND).await.unwrap().unwrap();
        assert_eq!((lease.name.as_str(), &lease.holder), ("cull", &holder));
        assert!(last < Some(lease.fence));
        last = Some(lease.fence);
        stores.leases.renew(&lease, BOUND).await.unwrap();
        stores.leases.release(&lease).await.unwrap();
        stores.leases.release(&lease).await.unwrap();
        assert!(matches!(stores.leases.renew(&lease, BOUND).await, Err(StoreError::LeaseLost)));
    }
    stores.close().await;
}

async fn an_expired_lease_can_be_taken_and_the_old_holder_has_lost_it(place: Place) {
    let stores = place.open().await;
    let old = stores.leases.try_acquire("cull", &worker("old"), SHORT).await.unwrap().unwrap();
    let new = within(async {
        loop {
            if let Some(lease) = stores.leases.try_acquire("cull", &worker("new"), BOUND).await.unwrap() {
                return lease;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(new.fence > old.fence);
    assert!(matches!(stores.leases.renew(&old, BOUND).await, Err(StoreError::LeaseLost)));
    // Giving up what one has not got takes nothing from who has it.
    stores.leases.release(&old).await.unwrap();
    stores.leases.renew(&new, BOUND).await.unwrap();
    assert_eq!(stores.leases.try_acquire("cull", &worker("third"), BOUND).await.unwrap(), None);
    stores.close().await;
}

async fn a_holder_that_is_late_but_not_replaced_may_renew(place: Place) {
    let stores = place.open().await;
    let lease = stores.leases.try_acquire("cull", &worker("w"), SHORT).await.unwrap().unwrap();
    tokio::time::sleep(SHORT * 2).await;
    stores.leases.renew(&lease, BOUND).await.unwrap();
    assert_eq!(stores.leases.try_acquire("cull", &worker("other"), BOUND).await.unwrap(), None);
    stores.close().await;
}

async fn names_are_independent(place: Place) {
    let stores = place.open().await;
    for name in ["a", "b", "environment:0123", "spaces and {braces}"] {
        assert!(stores.leases.try_acquire(name, &worker("w"), BOUND).await.unwrap().is_some(), "{name}");
        assert!(stores.leases.try_acquire(name, &worker("w"), BOUND).await.unwrap().is_none(), "{name}");
    }
    stores.close().await;
}
