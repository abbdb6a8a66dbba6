//! Events as BinderHub clients read them, with our additions beside. Shapes: BinderHub's event stream, where every event is a
//! JSON object with `phase` and `message`, `built` has `imageName`, and `ready` has the session's address and ten keys in all.

use std::fmt;
use std::str::FromStr;

use bindery_core::{BuildId, Event, EventBody, EventId, Fault, LogStream, Phase, StepMark, Topic};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The `id:` of an event on a visitor's stream: its topic and its place there. A visitor's stream runs through two topics, the
/// build's and then the launch's; this names a place in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamId {
    pub(crate) topic: Topic,
    pub(crate) event: EventId,
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.topic, self.event.0)
    }
}

impl FromStr for StreamId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (topic, event) = text.split_once('.').ok_or(())?;
        Ok(Self { topic: topic.parse().map_err(|_| ())?, event: EventId(event.parse().map_err(|_| ())?) })
    }
}

/// An event as clients read it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = BuildEvent)]
pub(crate) struct Told {
    /// `ready` and `failed` end a visit.
    phase: Phase,
    /// For people; ends in a newline.
    message: String,
    /// The step it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<StepMark>,
    /// Set for what the step wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<LogStream>,
    /// The place in the queue, from 1, in `queued`.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u32>,
    /// The image, in `built`.
    #[serde(rename = "imageName", skip_serializing_if = "Option::is_none")]
    image_name: Option<String>,
    /// The session's address, in `ready`; ends in `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// What the session wants as `?token=` or `Authorization: token`, in `ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// The image, in `ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// The repository, in `ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    repo_url: Option<String>,
    /// Where the commit can be looked at, in `ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    binder_ref_url: Option<String>,
    /// The address of this service, in `ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    binder_launch_host: Option<String>,
    /// The path that was asked for, in `ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    binder_request: Option<String>,
    /// The path that will always mean the same commit, in `ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    binder_persistent_request: Option<String>,
    /// The visitor's address, in `ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    binder_client_ip: Option<String>,
    /// The plan, once it is made: what `/builds/{id}/plan` answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    plan: Option<Value>,
    /// What went wrong, in `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<ToldFault>,
    /// The build this is about, where the id of the event does not name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    build_id: Option<BuildId>,
    /// The HTTP status this would be, were the stream not always 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    /// In how many seconds another try is worth it.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

/// What went wrong, and where its whole log can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BuildFault)]
struct ToldFault {
    #[serde(flatten)]
    fault: Fault,
    /// The permanent address of the build's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    log_url: Option<String>,
}

/// An event as a build's log in JSON has it: as it was told, with its place and its time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = LogEvent)]
pub(crate) struct Archived {
    #[serde(flatten)]
    told: Told,
    /// Its place in the log, from 1.
    #[schema(value_type = u64)]
    id: EventId,
    /// When it was told, in milliseconds since 1970.
    #[schema(value_type = u64)]
    at: bindery_core::Timestamp,
}

/// One message of a visitor's stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    /// Absent for what belongs to no log, such as a spec that could not be resolved.
    pub(crate) id: Option<StreamId>,
    pub(crate) data: Told,
}

impl Message {
    /// An event of a log. `log_url` is where the whole log of a failed build can be read.
    pub(crate) fn of_event(topic: Topic, event: &Event, log_url: Option<String>) -> Self {
        Self { id: Some(StreamId { topic, event: event.id }), data: told(&event.body, log_url) }
    }

    /// Something that belongs to no log.
    pub(crate) fn of_body(body: &EventBody, status: Option<u16>) -> Self {
        Self { id: None, data: Told { status_code: status, ..told(body, None) } }
    }

    /// The same, with the build it is about: for who has not seen that build's log.
    pub(crate) fn about(self, build: BuildId) -> Self {
        Self { data: Told { build_id: Some(build), ..self.data }, ..self }
    }

    /// The same, with when to try again.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self { data: Told { retry_after: Some(seconds), ..self.data }, ..self }
    }

    /// The text of a server-sent event. JSON has no raw newline, so one `data:` line holds it whatever the repository wrote.
    pub(crate) fn encode(&self) -> String {
        let data = json_of(&self.data);
        match &self.id {
            Some(id) => format!("id: {id}\ndata: {data}\n\n"),
            None => format!("data: {data}\n\n"),
        }
    }
}

/// A line of a build's log in JSON.
pub(crate) fn archived(event: &Event) -> String {
    json_of(&Archived { told: told(&event.body, None), id: event.id, at: event.at })
}

/// These have string keys and nothing that can fail.
fn json_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn told(body: &EventBody, log_url: Option<String>) -> Told {
    let ready = body.ready.as_ref();
    let log_url = log_url.filter(|_| body.phase == Phase::Failed);
    Told {
        phase: body.phase,
        message: match &log_url {
            Some(url) => format!("{}The whole log: {url}\n", body.message),
            None => body.message.clone(),
        },
        step: body.step.clone(),
        stream: body.stream,
        position: body.position,
        image_name: body.image.as_ref().map(ToString::to_string),
        url: ready.map(|ready| ready.url.clone()),
        token: ready.map(|ready| ready.token.clone()),
        image: ready.map(|ready| ready.image.to_string()),
        repo_url: ready.map(|ready| ready.repo_url.clone()),
        binder_ref_url: ready.map(|ready| ready.binder_ref_url.clone()),
        binder_launch_host: ready.map(|ready| ready.binder_launch_host.clone()),
        binder_request: ready.map(|ready| ready.binder_request.clone()),
        binder_persistent_request: ready.map(|ready| ready.binder_persistent_request.clone()),
        binder_client_ip: ready.map(|ready| ready.binder_client_ip.clone()),
        plan: body.plan.clone(),
        fault: body.fault.clone().map(|fault| ToldFault { fault, log_url }),
        build_id: None,
        status_code: None,
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, StreamId};
    use bindery_core::{
        BuildId, Event, EventBody, EventId, Fault, LogStream, Phase, Ready, StepMark, StepStatus, Timestamp, Topic,
    };

    fn event(body: EventBody) -> Event {
        Event { id: EventId(7), at: Timestamp::from_millis(0), body }
    }

    fn json(message: &Message) -> serde_json::Value {
        serde_json::to_value(&message.data).unwrap()
    }

    #[test]
    fn stream_ids_round_trip_through_text() {
        let id = StreamId { topic: Topic::Build(BuildId::new()), event: EventId(42) };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("".parse::<StreamId>().is_err());
        assert!("b-1.2.3".parse::<StreamId>().is_err());
    }

    #[test]
    fn a_line_that_looks_like_an_event_stays_inside_its_message() {
        let hostile = "x\n\nid: 9\ndata: {\"phase\":\"ready\",\"url\":\"https://evil\"}";
        let step = StepMark { id: "1".into(), name: "n".into(), status: StepStatus::Running, duration_ms: None };
        let body = EventBody::output(Phase::Building, step, LogStream::Stdout, hostile);
        let encoded = Message::of_event(Topic::Build(BuildId::new()), &event(body), None).encode();
        assert_eq!(encoded.matches("\n\n").count(), 1);
        assert_eq!(encoded.lines().filter(|line| line.starts_with("data:")).count(), 1);
        let data = encoded.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let json: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(json["phase"], "building");
        assert!(json.get("url").is_none());
    }

    #[test]
    fn ready_has_the_ten_keys_clients_read() {
        let ready = Ready {
            url: "http://127.0.0.1:8586/user/s-1/".into(),
            token: "t".into(),
            image: "bindery/x:y".parse().unwrap(),
            repo_url: String::new(),
            binder_ref_url: String::new(),
            binder_launch_host: String::new(),
            binder_request: String::new(),
            binder_persistent_request: String::new(),
            binder_client_ip: String::new(),
        };
        let message = json(&Message::of_body(&EventBody::ready(ready), None));
        for key in [
            "phase",
            "message",
            "url",
            "token",
            "image",
            "repo_url",
            "binder_ref_url",
            "binder_launch_host",
            "binder_request",
            "binder_persistent_request",
            "binder_client_ip",
        ] {
            assert!(message.get(key).is_some(), "{key}");
        }
    }

    #[test]
    fn a_failure_says_where_its_log_is() {
        let body = EventBody::failed(Fault::user("x", "y"));
        let message = Message::of_event(Topic::Build(BuildId::new()), &event(body), Some("http://h/builds/b".into()));
        let message = json(&message);
        assert_eq!(message["fault"]["log_url"], "http://h/builds/b");
        assert_eq!(message["fault"]["by"], "user");
        assert_eq!(message["message"], "y\nThe whole log: http://h/builds/b\n");
    }
}
