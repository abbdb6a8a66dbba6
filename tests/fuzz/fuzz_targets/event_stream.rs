//! The event stream. An id that a client says it saw last is one of ours or none. And whatever a repository, a step or a fault says, a
//! client that reads as the standard has it sees one event, of the phase it was told in, with that text.
#![no_main]

use bindery_core::{
    BuildId, Event, EventBody, EventId, Fault, LogStream, Phase, StepMark, StepOutput, StepStatus, Timestamp, Topic,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[allow(dead_code)]
#[path = "../../../services/web/src/wire.rs"]
mod wire;

use wire::{Message, StreamId};

/// The `id` and `data` of each event, by the standard's rules; any of three line ends counts.
fn read(stream: &str) -> Vec<(String, String)> {
    let (mut events, mut id, mut data) = (Vec::new(), String::new(), Vec::new());
    for line in stream.replace("\r\n", "\n").replace('\r', "\n").split('\n') {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() && !data.is_empty() => events.push((id.clone(), std::mem::take(&mut data).join("\n"))),
            "id" => value.clone_into(&mut id),
            "data" => data.push(value.to_owned()),
            _ => {}
        }
    }
    events
}

fuzz_target!(|text: &str| {
    if let Ok(id) = text.parse::<StreamId>() {
        assert_eq!(id.to_string().parse(), Ok(id), "{text}");
    }
    let topic = Topic::Build(BuildId::new());
    let step = || StepMark { id: text.to_owned(), name: text.to_owned(), status: StepStatus::Running, duration_ms: None };
    let output = StepOutput::last(text, text, &[text.to_owned()]);
    let fault = Fault::user("bad-line", text).hint(text).at(text, Some(1)).output(output);
    let bodies = [
        EventBody::message(Phase::Fetching, text),
        EventBody::output(Phase::Building, step(), LogStream::Stdout, text),
        EventBody::failed(fault),
    ];
    for body in bodies {
        let (phase, message) = (body.phase, body.message.clone());
        let event = Event { id: EventId(7), at: Timestamp::from_millis(0), body };
        let encoded = Message::of_event(topic, &event, None).encode();
        let told = read(&encoded);
        assert_eq!(told.len(), 1, "{encoded:?}");
        assert_eq!(told[0].0.parse(), Ok(StreamId { topic, event: EventId(7) }));
        let data: Value = serde_json::from_str(&told[0].1).expect("an event is JSON");
        assert_eq!(data["phase"], phase.as_str());
        assert_eq!(data["message"], message);
        for key in ["url", "token", "imageName"] {
            assert!(data.get(key).is_none(), "{encoded:?}");
        }
        assert_eq!(data.get("fault").is_some(), phase == Phase::Failed);
    }
});
