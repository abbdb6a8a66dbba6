//! Everything that can go wrong with images, and whose fault it is.

use bindery_core::Fault;

/// Why an image could not be built, found, pulled or pushed.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// Nobody answers where the engine should be, or it went away.
    #[error("the engine at {host} cannot be reached: {reason}")]
    EngineUnreachable {
        /// Where it should be.
        host: String,
        /// What the attempt ended in.
        reason: String,
    },
    /// The engine answered with an error.
    #[error("the engine failed to {what}: {reason}")]
    EngineRefused {
        /// What it was asked.
        what: &'static str,
        /// What it said.
        reason: String,
    },
    /// The engine did not answer in time.
    #[error("the engine did not {what} within {seconds} s")]
    EngineSlow {
        /// What it was asked.
        what: &'static str,
        /// How long it was given.
        seconds: u64,
    },
    /// There is no room for another build, or it ran out during one.
    #[error("the disk of the engine is full: {0}")]
    DiskFull(String),
    /// A step's process ended with a failure.
    #[error("the step `{command}` failed with exit code {exit_code}")]
    StepFailed {
        /// The instruction, shortened.
        command: String,
        /// The exit code of its process.
        exit_code: i64,
        /// The last lines it wrote.
        lines: Vec<String>,
    },
    /// A step failed without a process that ended: a file to copy is missing, an address to add is unreachable.
    #[error("the step `{command}` failed: {reason}")]
    StepRefused {
        /// The instruction, shortened.
        command: String,
        /// What BuildKit said.
        reason: String,
    },
    /// The Dockerfile cannot be read.
    #[error("the Dockerfile cannot be built: {reason}")]
    Dockerfile {
        /// The line, from 1, where BuildKit names one.
        line: Option<u32>,
        /// What BuildKit said.
        reason: String,
    },
    /// An image that a Dockerfile begins with does not exist, or not for us.
    #[error("the image {name} that the Dockerfile begins with does not exist or is private")]
    FromMissing {
        /// Its name.
        name: String,
    },
    /// The registry of an image that a Dockerfile begins with does not answer.
    #[error("the image {name} that the Dockerfile begins with could not be pulled: {reason}")]
    FromUnreachable {
        /// Its name.
        name: String,
        /// What the engine said.
        reason: String,
    },
    /// The operator's base image is not to be had.
    #[error("the base image {name} is not in the engine and could not be pulled: {reason}")]
    BaseMissing {
        /// Its name.
        name: String,
        /// What the engine said.
        reason: String,
    },
    /// The build took longer than allowed.
    #[error("the build took longer than {seconds} s; it was at {step}")]
    TooLong {
        /// The limit.
        seconds: u64,
        /// The step that ran.
        step: String,
    },
    /// The build said nothing for longer than allowed.
    #[error("the build wrote nothing for {seconds} s; it was at {step}")]
    Silent {
        /// The limit.
        seconds: u64,
        /// The step that ran.
        step: String,
    },
    /// The repository's content could not be read while it was sent.
    #[error("the repository's content could not be sent to the engine: {0}")]
    Context(String),
    /// This process cannot start another thread.
    #[error("this process cannot start a build: {0}")]
    Thread(String),
    /// BuildKit ended the build with a message this crate does not know.
    #[error("the build ended with an error: {0}")]
    BuildFailed(String),
    /// The registry does not answer.
    #[error("the registry {host} cannot be reached: {reason}")]
    RegistryUnreachable {
        /// Its address.
        host: String,
        /// What the engine said.
        reason: String,
    },
    /// The registry does not accept our account.
    #[error("the registry {host} refused this service's account: {reason}")]
    RegistryDenied {
        /// Its address.
        host: String,
        /// What the engine said.
        reason: String,
    },
    /// The registry answered with an error.
    #[error("the registry {host} failed to {what}: {reason}")]
    RegistryFailed {
        /// Its address.
        host: String,
        /// What it was asked.
        what: &'static str,
        /// What the engine said.
        reason: String,
    },
    /// A push or pull made no progress, or took longer than allowed.
    #[error("the registry {host} did not {what} in time: {reason}")]
    RegistrySlow {
        /// Its address.
        host: String,
        /// What it was asked.
        what: &'static str,
        /// Which limit.
        reason: String,
    },
    /// The registry has no such image.
    #[error("the registry {host} has no image {name}")]
    RegistryMissing {
        /// Its address.
        host: String,
        /// The image.
        name: String,
    },
    /// The account's password cannot be read.
    #[error("the registry's password file cannot be read: {0}")]
    PasswordFile(String),
}

/// How many of a failed step's last lines are looked at for what they say of the failure.
pub(crate) const LAST_LINES: usize = 20;

impl From<ImagesError> for Fault {
    fn from(error: ImagesError) -> Self {
        let text = sentence(&error.to_string());
        match error {
            ImagesError::EngineUnreachable { host, .. } => Self::us("engine-unreachable", text)
                .hint(format!("Is dockerd running, and may this process use its socket? docker_host = {host}")),
            ImagesError::EngineRefused { .. } => Self::us("engine-failed", text),
            ImagesError::EngineSlow { .. } => Self::us("engine-slow", text),
            ImagesError::DiskFull(_) => Self::us("disk-full", text)
                .hint("An operator must free space (for example with `docker system prune`); other sessions go on."),
            ImagesError::StepFailed { command, exit_code, lines } => step_failed(&command, exit_code, &lines),
            ImagesError::StepRefused { .. } => Self::user("build-step-failed", text),
            ImagesError::Dockerfile { line, .. } => Self::user("dockerfile-invalid", text).at("Dockerfile", line),
            ImagesError::FromMissing { .. } => Self::user("from-image-missing", text)
                .hint("Check the spelling of the image and tag after FROM; the image must be public."),
            ImagesError::FromUnreachable { .. } => Self::upstream("from-image-unreachable", text),
            ImagesError::BaseMissing { .. } => Self::us("base-image-missing", text).hint(
                "Set `build.base_image` to an image the engine has or can pull, or build our own with `deploy/stack`.",
            ),
            ImagesError::TooLong { .. } => {
                Self::user("build-timeout", text).hint("Make this step do less, or prepare its result elsewhere.")
            }
            ImagesError::Silent { .. } => Self::user("build-timeout", text)
                .hint("The step may wait for input that never comes; or let it say from time to time what it does."),
            ImagesError::Context(_) => Self::us("context-unreadable", text),
            ImagesError::Thread(_) => Self::us("no-thread", text),
            ImagesError::BuildFailed(_) => Self::us("build-failed", text),
            ImagesError::RegistryUnreachable { .. } => Self::us("registry-unreachable", text)
                .hint("Is the registry running, and can the engine reach `registry.url`?"),
            ImagesError::RegistryDenied { .. } => Self::us("registry-denied", text)
                .retry(false)
                .hint("Check `registry.username` and `registry.password_file`."),
            ImagesError::RegistryFailed { .. } => {
                Self::us("registry-failed", text).hint("The registry's own log says why; its storage may be full.")
            }
            ImagesError::RegistrySlow { .. } => Self::us("registry-slow", text),
            ImagesError::RegistryMissing { .. } => Self::us("registry-image-missing", text).retry(false),
            ImagesError::PasswordFile(_) => Self::us("registry-password-unreadable", text).retry(false),
        }
    }
}

fn step_failed(command: &str, exit_code: i64, lines: &[String]) -> Fault {
    let message = match exit_code {
        137 => format!(
            "The step `{command}` was killed (exit code 137), most likely because the machine ran out of memory for it."
        ),
        126 | 127 => format!(
            "The step `{command}` failed with exit code {exit_code}: a command it uses was not found or cannot be run."
        ),
        _ => format!("The step `{command}` failed with exit code {exit_code}."),
    };
    let fault = Fault::user("build-step-failed", message);
    if lines.is_empty() {
        return fault.hint("It wrote nothing.");
    }
    // A failed download is still the step's failure, but the only one that going again unchanged may mend.
    if lines.iter().any(|line| looks_like_a_failed_download(line)) {
        return fault.retry(true).hint("A download seems to have failed; trying again may help.");
    }
    fault
}

fn looks_like_a_failed_download(line: &str) -> bool {
    const SIGNS: [&str; 8] = [
        "could not resolve host",
        "temporary failure resolving",
        "temporary failure in name resolution",
        "connection timed out",
        "read timed out",
        "connection reset by peer",
        "503 service unavailable",
        "failed to establish a new connection",
    ];
    let line = line.to_ascii_lowercase();
    SIGNS.iter().any(|sign| line.contains(sign))
}

/// At most `limit` characters of `text` on one line, its control characters and colours gone, for a message.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    let plain = crate::lines::plain(text);
    let mut words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = words.char_indices().nth(limit) {
        words.truncate(cut);
        words.push('…');
    }
    words
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let mut sentence: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    sentence.push_str(characters.as_str());
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::{ImagesError, shorten};
    use bindery_core::{Fault, FaultBy};

    fn failed(exit_code: i64, lines: &[&str]) -> Fault {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        ImagesError::StepFailed { command: "RUN make".into(), exit_code, lines }.into()
    }

    #[test]
    fn a_failed_step_says_command_and_code() {
        let fault = failed(2, &["make: *** [all] Error 2"]);
        assert_eq!((fault.by, fault.code.as_str()), (FaultBy::User, "build-step-failed"));
        assert_eq!(fault.message, "The step `RUN make` failed with exit code 2.");
        assert_eq!((fault.hint, fault.retry), (None, false));
    }

    #[test]
    fn exit_code_137_is_said_to_be_a_lack_of_memory() {
        assert!(failed(137, &[]).message.contains("memory"));
    }

    #[test]
    fn a_failed_download_may_be_tried_again_but_stays_the_steps_failure() {
        let fault = failed(1, &["E: Temporary failure resolving 'mirror'"]);
        assert!(fault.retry);
        assert_eq!(fault.code, "build-step-failed");
    }

    #[test]
    fn an_absent_engine_is_ours_and_named() {
        let fault: Fault =
            ImagesError::EngineUnreachable { host: "unix:///x.sock".into(), reason: "no such file".into() }.into();
        assert_eq!(fault.by, FaultBy::Us);
        assert!(fault.retry && fault.hint.unwrap().contains("docker_host = unix:///x.sock"));
    }

    #[test]
    fn shortened_text_is_one_plain_line() {
        assert_eq!(shorten("a\u{1b}[31mb\u{1b}[0m\n  c\u{7}", 10), "ab c");
        assert_eq!(shorten("ééééé", 3), "ééé…");
    }
}
