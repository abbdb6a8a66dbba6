//! What a visitor sees, step by step. Builder and launcher append events; the web role only reads them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{BuildId, Fault, IdError, ImageName, LaunchId, Timestamp};

/// A log of events: one build's or one launch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Topic {
    /// The log of one build; ends with `built` or `failed`.
    Build(BuildId),
    /// The log of one launch; ends with `ready` or `failed`.
    Launch(LaunchId),
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(id) => id.fmt(f),
            Self::Launch(id) => id.fmt(f),
        }
    }
}

impl FromStr for Topic {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse().map(Self::Build).or_else(|_| text.parse().map(Self::Launch))
    }
}

impl TryFrom<String> for Topic {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.to_string()
    }
}

/// The place of an event in its topic: 1, 2, 3, … without gaps. 0 is "before the first".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub u64);

impl EventId {
    /// Before the first event.
    pub const START: Self = Self(0);
}

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the topic.
    pub id: EventId,
    /// When it was appended.
    pub at: Timestamp,
    /// What happened.
    pub body: EventBody,
}

/// Where a visitor's request stands. The names are BinderHub's, plus `queued`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The build was asked for.
    Waiting,
    /// The launch waits for a seat.
    Queued,
    /// The repository is being fetched and read.
    Fetching,
    /// Images are being built.
    Building,
    /// The image goes to the registry.
    Pushing,
    /// There is an image.
    Built,
    /// The session is starting.
    Launching,
    /// The session answers through the proxy.
    Ready,
    /// It ended in a fault.
    Failed,
}

impl Phase {
    /// The phase's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Fetching => "fetching",
            Self::Building => "building",
            Self::Pushing => "pushing",
            Self::Built => "built",
            Self::Launching => "launching",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing follows in the same topic.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Built | Self::Ready | Self::Failed)
    }
}

/// How far a named step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// It goes on.
    Running,
    /// It was done before; nothing ran.
    Cached,
    /// It ended well.
    Done,
    /// It failed.
    Failed,
}

/// The step of a build an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepMark {
    /// Unique within the topic, short.
    pub id: String,
    /// For people: `install Python packages (requirements.txt)`.
    pub name: String,
    /// How far it is.
    pub status: StepStatus,
    /// How long it took, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// Which stream of a process a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where a ready session is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Its absolute address, ending in `/`.
    pub url: String,
    /// The token its server takes as `?token=` or `Authorization: token`. The one credential that an event carries, because
    /// BinderHub clients read it there; the topic's id is itself unguessable.
    pub token: String,
    /// The image it runs.
    pub image: ImageName,
    /// The repository.
    pub repo_url: String,
    /// A page about the commit.
    pub binder_ref_url: String,
    /// This service's public address.
    pub binder_launch_host: String,
    /// The link path asked for, without leading slash.
    pub binder_request: String,
    /// The link path that will always mean the same commit.
    pub binder_persistent_request: String,
    /// The visitor's address as this service saw it; empty when unknown.
    pub binder_client_ip: String,
}

/// What happened. Text of the repository or its build is only ever in `message`; `phase` is set by this service alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventBody {
    /// Where the request stands.
    pub phase: Phase,
    /// For people; ends in a newline. For a line of a step's output: that line, colours included.
    pub message: String,
    /// The step it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepMark>,
    /// Set when `message` is output of a process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<LogStream>,
    /// The place in the queue, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// The image, on `built`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageName>,
    /// The session, on `ready`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    /// The plan of the build, once: the object that `bindery plan --json` prints, and `buildpacks/plan.schema.json` describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Value>,
    /// What can be shown of the repository's notebooks while it is built, once: by path, what the builder kept of each. For those who
    /// ask for it; watchers are not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notebooks: Option<Value>,
    /// The fault, on `failed`; always set there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

impl EventBody {
    /// A sentence; the newline is added.
    #[must_use]
    pub fn message(phase: Phase, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if !message.ends_with('\n') {
            message.push('\n');
        }
        Self {
            phase,
            message,
            step: None,
            stream: None,
            position: None,
            image: None,
            ready: None,
            plan: None,
            notebooks: None,
            fault: None,
        }
    }

    /// A line of a step's output.
    #[must_use]
    pub fn output(phase: Phase, step: StepMark, stream: LogStream, line: impl Into<String>) -> Self {
        Self { step: Some(step), stream: Some(stream), ..Self::message(phase, line) }
    }

    /// A step began or ended.
    #[must_use]
    pub fn step(phase: Phase, step: StepMark) -> Self {
        let verb = match step.status {
            StepStatus::Running => "",
            StepStatus::Cached => " (cached)",
            StepStatus::Done => " (done)",
            StepStatus::Failed => " (failed)",
        };
        Self { message: format!("{}{verb}\n", step.name), step: Some(step), ..Self::message(phase, "") }
    }

    /// What will be built and why is known.
    #[must_use]
    pub fn planned(plan: Value) -> Self {
        Self { plan: Some(plan), ..Self::message(Phase::Building, "Planned the environment") }
    }

    /// The end of a build that gave an image.
    #[must_use]
    pub fn built(image: ImageName) -> Self {
        Self { image: Some(image), ..Self::message(Phase::Built, "Built image, launching...") }
    }

    /// The end of anything that gave a fault.
    #[must_use]
    pub fn failed(fault: Fault) -> Self {
        Self { message: format!("{fault}\n"), fault: Some(fault), ..Self::message(Phase::Failed, "") }
    }

    /// The end of a launch that gave a session.
    #[must_use]
    pub fn ready(ready: Ready) -> Self {
        Self { ready: Some(ready.clone()), ..Self::message(Phase::Ready, format!("server running at {}", ready.url)) }
    }

    /// Waiting for a seat, at a place from 1.
    #[must_use]
    pub fn queued(position: u32) -> Self {
        let message = format!("Waiting for a free seat: number {position} in the queue");
        Self { position: Some(position), ..Self::message(Phase::Queued, message) }
    }

    /// A build's place in the queue for a builder, from 1.
    #[must_use]
    pub fn queued_build(position: u32) -> Self {
        let message = format!("Waiting for a builder: number {position} in the queue");
        Self { position: Some(position), ..Self::message(Phase::Queued, message) }
    }
}

#[cfg(test)]
mod tests {
    use super::{EventBody, Phase, Topic};
    use crate::{BuildId, Fault, LaunchId};

    #[test]
    fn topics_round_trip_through_text() {
        for topic in [Topic::Build(BuildId::new()), Topic::Launch(LaunchId::new())] {
            assert_eq!(topic.to_string().parse(), Ok(topic));
        }
    }

    #[test]
    fn every_message_ends_its_line() {
        let bodies = [
            EventBody::message(Phase::Waiting, "x"),
            EventBody::message(Phase::Waiting, "x\n"),
            EventBody::failed(Fault::us("x", "y")),
            EventBody::queued(3),
            EventBody::queued_build(3),
        ];
        for body in bodies {
            assert!(body.message.ends_with('\n') && !body.message.ends_with("\n\n"), "{body:?}");
        }
    }
}
