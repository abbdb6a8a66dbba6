//! One suite for both stores: every test runs on the embedded file and on a private `redis-server`.

/// Runs each test on both stores.
macro_rules! on_both {
    ($($(#[$attribute:meta])* $name:ident),* $(,)?) => {
        mod embedded {
            $(
                $(#[$attribute])*
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(crate::harness::Place::embedded()).await;
                }
            )*
        }
        mod redis {
            $(
                $(#[$attribute])*
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(crate::harness::Place::redis().await).await;
                }
            )*
        }
    };
}

#[cfg(test)]
mod events;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod model;
#[cfg(test)]
mod provenances;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod server;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod survival;
