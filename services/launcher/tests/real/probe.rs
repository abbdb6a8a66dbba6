//! Images tried on a real engine.

use std::sync::Arc;
use std::time::Duration;

use bindery_core::FaultBy;
use bindery_core::seams::{BuildProgress, ImageProbe as _, Progress};
use bindery_launcher::{Config, Probe};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::house::{House, visit, visit_with};

#[derive(Default)]
struct Told(Mutex<String>);

impl Progress for Told {
    fn report(&self, progress: BuildProgress) {
        if let BuildProgress::Line { text, .. } = progress {
            self.0.lock().push_str(&format!("{text}\n"));
        }
    }
}

/// The containers of probes; a house looks only for those of sessions.
async fn left(house: &House) -> Vec<String> {
    let config = Config { instance: format!("{}.probe", house.config.instance), ..house.config.clone() };
    house.containers_of(&config.instance).await
}

#[tokio::test]
async fn jupyter_answers_and_its_default_kernel_computes() {
    visit(|house| async move {
        let told = Arc::new(Told::default());
        let began = Instant::now();
        Probe::new(house.config.clone()).unwrap().probe(&house.base, told.clone()).await.unwrap();
        println!("the base image was tried in {:?}", began.elapsed());
        assert!(told.0.lock().contains("the kernel python3 computes"), "{}", told.0.lock());
        assert_eq!(left(&house).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn images_that_do_not_work_are_refused_with_their_last_lines_and_nothing_is_left() {
    let short = |config| Config { ready_seconds: 20, ..config };
    visit_with(short, |house| async move {
        let no_kernel = "PYTHONPATH=/tmp/broken; export PYTHONPATH; mkdir -p /tmp/broken/ipykernel; \
                         echo 'raise ImportError(\"broken here\")' > /tmp/broken/ipykernel/__init__.py; exec \"$@\"";
        let cases = [
            (
                house.image(&["sh", "-c", "echo 'bad start script' >&2; exit 1"]).await,
                "server-exited",
                "bad start script",
            ),
            (
                house.image(&["sh", "-c", "PATH=/usr/bin:/bin exec \"$@\"", "sh"]).await,
                "server-missing",
                "jupyter-notebook",
            ),
            (house.image(&["sh", "-c", no_kernel, "sh"]).await, "kernel-failed", ""),
        ];
        for (image, code, line) in cases {
            let told = Arc::new(Told::default());
            let fault = Probe::new(house.config.clone()).unwrap().probe(&image, told.clone()).await.unwrap_err();
            assert_eq!((fault.by, fault.code.as_str()), (FaultBy::User, code), "{fault}\n{}", told.0.lock());
            assert!(told.0.lock().contains(line), "{code}: {}", told.0.lock());
            assert_eq!(left(&house).await, Vec::<String>::new(), "{code}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_probe_that_is_given_up_leaves_no_container() {
    visit(|house| async move {
        let image = house.image(&["sh", "-c", "sleep 3600"]).await;
        let probe = Probe::new(house.config.clone()).unwrap();
        let given_up = tokio::time::timeout(Duration::from_secs(3), probe.probe(&image, Arc::new(Told::default())));
        assert!(given_up.await.is_err());
        let gone = async {
            while !left(&house).await.is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), gone).await.expect("it is removed");
    })
    .await;
}
