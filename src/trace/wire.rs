//! Spans as OTLP has them.

use super::settings::Format;
use jiff::Timestamp;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Status, span::SpanKind, status::StatusCode},
};
use prost::Message;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, time::Duration};

pub(super) use opentelemetry_proto::tonic::trace::v1::Span;

/// The trace is told.
const SAMPLED: u32 = 1;
/// Whether the parent is another program's span is known.
const KNOWN: u32 = 1 << 8;
/// It is.
const REMOTE: u32 = 1 << 9;

/// A text that is known of something.
pub(super) fn text(name: &str, value: &str) -> KeyValue {
    attribute(name, any_value::Value::StringValue(value.to_owned()))
}

/// A number that is known of something.
pub(super) fn number(name: &str, value: i64) -> KeyValue {
    attribute(name, any_value::Value::IntValue(value))
}

fn attribute(name: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// A span of a trace, by its own id and that of its parent, that began then and took so long.
pub(super) fn span(
    (trace, id, parent): (u128, u64, Option<u64>),
    name: &str,
    (began, took): (Timestamp, Duration),
) -> Span {
    let start = u64::try_from(began.as_nanosecond()).unwrap_or_default();
    let length = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    Span {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: parent.map(|it| it.to_be_bytes().to_vec()).unwrap_or_default(),
        flags: SAMPLED | KNOWN,
        name: name.to_owned(),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(length),
        ..Span::default()
    }
}

/// The same, below the span of another program.
pub(super) fn below_another_s(span: Span, parent: u64) -> Span {
    Span { parent_span_id: parent.to_be_bytes().to_vec(), flags: span.flags | REMOTE, ..span }
}

/// The same, that failed, and why.
pub(super) fn failed(span: Span, why: &str) -> Span {
    Span { status: Some(Status { message: why.to_owned(), code: StatusCode::Error.into() }), ..span }
}

/// The request that brings spans of this program.
pub(super) fn request(resource: &BTreeMap<String, String>, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let attributes = resource.iter().map(|(name, value)| text(name, value)).collect();
    let scope = InstrumentationScope {
        name: "lifeboat".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let spans = ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() };
    let resource = Resource { attributes, ..Resource::default() };
    let all =
        ResourceSpans { resource: Some(resource), scope_spans: vec![spans], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![all] }
}

impl Format {
    /// A request in this form, and what that is.
    pub(super) fn written(self, request: &ExportTraceServiceRequest) -> (Vec<u8>, &'static str) {
        match self {
            Format::Protobuf => (request.encode_to_vec(), "application/x-protobuf"),
            // What it holds can be written.
            Format::Json => (serde_json::to_vec(request).unwrap_or_default(), "application/json"),
        }
    }

    /// How many spans were not taken, by an answer in this form; none if it is no answer to a request.
    pub(super) fn left(self, answer: &[u8]) -> Option<u64> {
        match self {
            Format::Protobuf => {
                let answer: ExportTraceServiceResponse = Message::decode(answer).ok()?;
                answer.partial_success.map_or(0, |it| it.rejected_spans).try_into().ok()
            }
            Format::Json if answer.is_empty() => Some(0),
            Format::Json => {
                let answer: Map<String, Value> = serde_json::from_slice(answer).ok()?;
                // Numbers of this size are texts there.
                match answer.get("partialSuccess").and_then(|it| it.get("rejectedSpans")) {
                    None => Some(0),
                    Some(Value::String(text)) => text.parse().ok(),
                    Some(other) => other.as_u64(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_written_as_otlp_has_it() {
        let at = Timestamp::from_second(1_790_000_000).unwrap();
        let span = failed(span((0xab, 1, Some(2)), "backup", (at, Duration::from_millis(5))), "why");
        let span = Span { attributes: vec![number("process.exit.code", 1)], ..span };
        let asked = request(&BTreeMap::from([("service.name".to_owned(), "x".to_owned())]), vec![span]);
        let (bytes, kind) = Format::Protobuf.written(&asked);
        assert_eq!(ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap(), asked);
        assert_eq!(kind, "application/x-protobuf");
        let (bytes, kind) = Format::Json.written(&asked);
        assert_eq!(kind, "application/json");
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let span = &value["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(span["traceId"], format!("{:032x}", 0xab));
        assert_eq!(span["parentSpanId"], format!("{:016x}", 2));
        assert_eq!(span["startTimeUnixNano"], "1790000000000000000");
        assert_eq!(span["endTimeUnixNano"], "1790000000005000000");
        assert_eq!(span["attributes"][0]["value"]["intValue"], "1");
    }

    #[test]
    fn answers_are_read() {
        let taken = ExportTraceServiceResponse::default().encode_to_vec();
        assert_eq!(Format::Protobuf.left(&taken), Some(0));
        // Field 1 of the answer, and in it field 1: two spans.
        assert_eq!(Format::Protobuf.left(&[0x0a, 2, 0x08, 2]), Some(2));
        assert_eq!(Format::Protobuf.left(b"<html>"), None);
        assert_eq!(Format::Json.left(b""), Some(0));
        assert_eq!(Format::Json.left(b"{\"partialSuccess\":{}}"), Some(0));
        assert_eq!(Format::Json.left(b"{\"partialSuccess\":{\"rejectedSpans\":\"3\"}}"), Some(3));
        assert_eq!(Format::Json.left(b"<html>"), None);
    }
}
