//! A build leaves no connection behind. Alone in its process, because it counts what the process has open.

#[cfg(test)]
#[path = "engine/support.rs"]
#[allow(dead_code, reason = "the larger suite uses the rest")]
mod support;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bindery_core::seams::ImageBuilder as _;

    use crate::support::{BASE, Told, fresh, images, job};

    fn sockets() -> usize {
        let entries = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let targets = entries.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }

    #[tokio::test]
    async fn builds_leave_no_connection_behind() {
        let Some(images) = images("builds_leave_no_connection_behind", |_| {}).await else { return };
        let before = sockets();
        for _ in 0..4 {
            let name = fresh("bindery-test");
            let dockerfile = format!("FROM {BASE}\nLABEL x={name}\n");
            images.build(job(&name, &dockerfile, None), Arc::new(Told::default())).await.unwrap();
            images.remove(&name).await.unwrap();
        }
        let closed = async {
            while sockets() > before {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let closed = tokio::time::timeout(Duration::from_secs(20), closed).await;
        assert!(closed.is_ok(), "{} sockets before, {} after", before, sockets());
    }
}
