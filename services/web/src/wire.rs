//! Events as BinderHub clients read them, with our additions beside. Shapes: BinderHub's event stream, where every event is a
//! JSON object with `phase` and `message`, `built` has `imageName`, and `ready` has the session's address and ten keys in all.

use std::fmt;
use std::str::FromStr;

use bindery_core::{BuildId, Event, EventBody, EventId, Phase, Topic};
use serde_json::{Map, Value, json};

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

/// One message of a visitor's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Absent for what belongs to no log, such as a spec that could not be resolved.
    pub(crate) id: Option<StreamId>,
    pub(crate) data: Value,
}

impl Message {
    /// An event of a log. `log_url` is where the whole log of a failed build can be read.
    pub(crate) fn of_event(topic: Topic, event: &Event, log_url: Option<String>) -> Self {
        Self { id: Some(StreamId { topic, event: event.id }), data: to_json(&event.body, log_url) }
    }

    /// Something that belongs to no log.
    pub(crate) fn of_body(body: &EventBody, status: Option<u16>) -> Self {
        let mut data = to_json(body, None);
        if let (Some(status), Value::Object(map)) = (status, &mut data) {
            map.insert("status_code".to_owned(), json!(status));
        }
        Self { id: None, data }
    }

    /// The same, with the build it is about: for who has not seen that build's log.
    pub(crate) fn about(mut self, build: BuildId) -> Self {
        if let Value::Object(map) = &mut self.data {
            map.insert("build_id".to_owned(), json!(build));
        }
        self
    }

    /// With one more key.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        if let Value::Object(map) = &mut self.data {
            map.insert(key.to_owned(), value.into());
        }
        self
    }

    /// The text of a server-sent event. JSON has no raw newline, so one `data:` line holds it whatever the repository wrote.
    pub(crate) fn encode(&self) -> String {
        let data = &self.data;
        match &self.id {
            Some(id) => format!("id: {id}\ndata: {data}\n\n"),
            None => format!("data: {data}\n\n"),
        }
    }
}

/// An event as a build's log in JSON has it: as it was told, with its place and its time.
pub(crate) fn archived(event: &Event) -> String {
    let mut data = to_json(&event.body, None);
    if let Value::Object(map) = &mut data {
        map.insert("id".to_owned(), json!(event.id));
        map.insert("at".to_owned(), json!(event.at));
    }
    data.to_string()
}

fn to_json(body: &EventBody, log_url: Option<String>) -> Value {
    let mut map = Map::new();
    map.insert("phase".to_owned(), json!(body.phase.as_str()));
    map.insert("message".to_owned(), json!(body.message));
    if let Some(step) = &body.step {
        map.insert("step".to_owned(), json!(step));
    }
    if let Some(stream) = &body.stream {
        map.insert("stream".to_owned(), json!(stream));
    }
    if let Some(position) = body.position {
        map.insert("position".to_owned(), json!(position));
    }
    if let Some(image) = &body.image {
        map.insert("imageName".to_owned(), json!(image));
    }
    if let Some(ready) = &body.ready
        && let Value::Object(keys) = json!(ready)
    {
        map.extend(keys);
    }
    if let Some(plan) = &body.plan {
        map.insert("plan".to_owned(), plan.clone());
    }
    if let Some(fault) = &body.fault {
        let mut fault = json!(fault);
        if let (Some(url), Value::Object(keys), Phase::Failed) = (log_url, &mut fault, body.phase) {
            keys.insert("log_url".to_owned(), json!(url));
        }
        map.insert("fault".to_owned(), fault);
    }
    Value::Object(map)
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
        let message = Message::of_body(&EventBody::ready(ready), None);
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
            assert!(message.data.get(key).is_some(), "{key}");
        }
    }

    #[test]
    fn a_failure_says_where_its_log_is() {
        let body = EventBody::failed(Fault::user("x", "y"));
        let message = Message::of_event(Topic::Build(BuildId::new()), &event(body), Some("http://h/builds/b".into()));
        assert_eq!(message.data["fault"]["log_url"], "http://h/builds/b");
        assert_eq!(message.data["fault"]["by"], "user");
    }
}
