//! Looking at what a session does, by asking its server directly and in ways that do not themselves count as doing something.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use bindery_core::Secret;
use serde::Deserialize;
use tokio::time::timeout;

use crate::ready::read_at_most;

/// The most of an answer that is read. A list of a thousand kernels fits.
const ANSWER_BYTES: usize = 1 << 20;
/// How long all the questions of one look may take together.
const LOOK_LIMIT: Duration = Duration::from_secs(8);

/// What one look showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look {
    /// A kernel is computing.
    Busy,
    /// No kernel is. The text changes whenever somebody has done something since; it is compared, never read as a time, so no clock but ours
    /// matters.
    Quiet(String),
    /// The server did not answer in a way that says anything, e.g. because it is starved of processor by its own kernels.
    Unknown,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    last_activity: String,
}

#[derive(Deserialize)]
struct Kernel {
    #[serde(default)]
    execution_state: String,
    #[serde(default)]
    last_activity: String,
}

#[derive(Deserialize)]
struct Terminal {
    #[serde(default)]
    last_activity: String,
}

/// Looks once, in bounded time.
pub(crate) async fn look(client: &reqwest::Client, upstream: SocketAddr, base_path: &str, token: &Secret) -> Look {
    let base = format!("http://{upstream}{base_path}api/");
    let asked = async {
        tokio::join!(
            ask(client, format!("{base}status?no_track_activity=1"), token),
            ask(client, format!("{base}kernels?no_track_activity=1"), token),
            ask(client, format!("{base}terminals?no_track_activity=1"), token),
        )
    };
    match timeout(LOOK_LIMIT, asked).await {
        Ok((status, kernels, terminals)) => judge(&status, &kernels, &terminals),
        Err(_) => Look::Unknown,
    }
}

/// One question's outcome.
#[derive(Debug)]
enum Told {
    /// It answered well.
    Body(Vec<u8>),
    /// It answered that there is no such thing, or not for us.
    Nothing,
    /// It did not answer, or failed.
    Silence,
}

async fn ask(client: &reqwest::Client, address: String, token: &Secret) -> Told {
    let request = client.get(address).header("Authorization", format!("token {}", token.expose())).timeout(LOOK_LIMIT);
    let Ok(response) = request.send().await else { return Told::Silence };
    match response.status().as_u16() {
        200..=299 => read_at_most(response, ANSWER_BYTES).await.map_or(Told::Silence, Told::Body),
        500.. => Told::Silence,
        _ => Told::Nothing,
    }
}

fn judge(status: &Told, kernels: &Told, terminals: &Told) -> Look {
    let mut seen = String::new();
    let kernels: Vec<Kernel> = match kernels {
        Told::Body(body) => match serde_json::from_slice(body) {
            Ok(kernels) => kernels,
            Err(_) => return Look::Unknown,
        },
        Told::Nothing => Vec::new(),
        Told::Silence => return Look::Unknown,
    };
    if kernels.iter().any(|kernel| kernel.execution_state == "busy") {
        return Look::Busy;
    }
    match status {
        Told::Body(body) => {
            let Ok(status) = serde_json::from_slice::<Status>(body) else { return Look::Unknown };
            seen.push_str(&status.last_activity);
        }
        Told::Nothing => {}
        Told::Silence => return Look::Unknown,
    }
    for kernel in &kernels {
        let _ = write!(seen, " k{}", kernel.last_activity);
    }
    // Terminals are an extra: a server without them, or that fails to list them, is judged by the rest.
    if let Told::Body(body) = terminals
        && let Ok(terminals) = serde_json::from_slice::<Vec<Terminal>>(body)
    {
        for terminal in terminals {
            let _ = write!(seen, " t{}", terminal.last_activity);
        }
    }
    // What is compared is kept per session; a hostile list must not make it large.
    seen.truncate(seen.floor_char_boundary(4096));
    Look::Quiet(seen)
}

#[cfg(test)]
mod tests {
    use super::{Look, Told, judge};

    fn body(text: &str) -> Told {
        Told::Body(text.into())
    }

    const STATUS: &str = r#"{"last_activity":"2026-01-01T00:00:00Z","connections":3,"kernels":1}"#;

    #[test]
    fn a_busy_kernel_is_activity_whatever_the_status_says() {
        let kernels = r#"[{"execution_state":"idle"},{"execution_state":"busy","last_activity":"2020"}]"#;
        assert_eq!(judge(&body(STATUS), &body(kernels), &Told::Nothing), Look::Busy);
        assert_eq!(judge(&Told::Silence, &body(kernels), &Told::Silence), Look::Busy);
    }

    #[test]
    fn open_connections_alone_are_no_activity() {
        let kernels = r#"[{"execution_state":"idle","last_activity":"a"}]"#;
        let one = judge(&body(STATUS), &body(kernels), &body("[]"));
        let more = STATUS.replace("\"connections\":3", "\"connections\":9");
        assert_eq!(one, judge(&body(&more), &body(kernels), &body("[]")));
        assert!(matches!(one, Look::Quiet(_)));
    }

    #[test]
    fn a_terminal_in_use_changes_what_is_seen() {
        let at = |time: &str| judge(&body(STATUS), &body("[]"), &body(&format!(r#"[{{"last_activity":"{time}"}}]"#)));
        assert_ne!(at("1"), at("2"));
        assert_eq!(at("1"), at("1"));
    }

    #[test]
    fn a_server_that_does_not_answer_is_unknown_not_idle() {
        assert_eq!(judge(&Told::Silence, &body("[]"), &body("[]")), Look::Unknown);
        assert_eq!(judge(&body(STATUS), &Told::Silence, &body("[]")), Look::Unknown);
        assert_eq!(judge(&body("<html>"), &body("[]"), &body("[]")), Look::Unknown);
    }

    #[test]
    fn a_server_without_these_questions_is_quiet() {
        assert_eq!(judge(&Told::Nothing, &Told::Nothing, &Told::Nothing), Look::Quiet(String::new()));
    }
}
