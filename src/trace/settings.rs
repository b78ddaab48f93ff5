//! What the environment asks for, by the names that OpenTelemetry gives to its variables.
//!
//! What is set and cannot be heeded is an error that names the variable, and never a value: headers are secret, and somebody may have
//! put one into the wrong place.

use super::parent::{Parent, Sampler};
use crate::notify::Channel;
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use std::{collections::BTreeMap, time::Duration};
use url::Url;

/// Nobody waits longer for a trace to be taken.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Where traces go, and what all of them say.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) channel: Channel,
    pub(super) format: Format,
    /// Of what the spans are: the service's name, and more.
    pub(super) resource: BTreeMap<String, String>,
    pub(super) parent: Option<Parent>,
    pub(super) sampler: Sampler,
}

/// How OTLP is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Protobuf,
    Json,
}

impl Settings {
    /// Reads them; none where nobody asks for traces.
    ///
    /// # Errors
    /// When a variable cannot be heeded. It says which one, and what may be written there.
    pub fn read(env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let set = |name: &str| env(name).map(|it| it.trim().to_owned()).filter(|it| !it.is_empty());
        // Each of these may be said for traces alone.
        let of_traces = |name: &str| {
            let own = format!("OTEL_EXPORTER_OTLP_TRACES_{name}");
            let all = format!("OTEL_EXPORTER_OTLP_{name}");
            set(&own).map(|value| (own, value)).or_else(|| set(&all).map(|value| (all, value)))
        };
        let Some((variable, endpoint)) = of_traces("ENDPOINT") else { return Ok(None) };
        if set("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        match set("OTEL_TRACES_EXPORTER").as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(_) => return Err("OTEL_TRACES_EXPORTER: lifeboat knows `otlp` and `none`".to_owned()),
        }
        let format = match of_traces("PROTOCOL") {
            None => Format::Protobuf,
            Some((_, value)) if value == "http/protobuf" => Format::Protobuf,
            Some((_, value)) if value == "http/json" => Format::Json,
            Some((variable, _)) => {
                return Err(format!(
                    "{variable}: lifeboat speaks `http/protobuf` and `http/json`, and no gRPC; a collector takes them at port 4318"
                ));
            }
        };
        for name in ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"] {
            if let Some((variable, _)) = of_traces(name) {
                return Err(format!(
                    "{variable}: lifeboat does not read it; SSL_CERT_FILE names authorities, and a receiver is shown no certificate"
                ));
            }
        }
        if let Some((variable, _)) = of_traces("COMPRESSION").filter(|(_, value)| value != "none") {
            return Err(format!(
                "{variable}: lifeboat sends traces as they are; write `none`, or leave it out"
            ));
        }
        let timeout = match of_traces("TIMEOUT") {
            None => PATIENCE,
            Some((variable, value)) => match value.parse() {
                Ok(0) => PATIENCE,
                Ok(ms) => PATIENCE.min(Duration::from_millis(ms)),
                Err(_) => return Err(format!("{variable}: write milliseconds, a whole number")),
            },
        };
        let headers = match of_traces("HEADERS") {
            None => Vec::new(),
            Some((variable, value)) => headers(&value).map_err(|why| format!("{variable}: {why}"))?,
        };
        let url = address(&variable, endpoint).into();
        let channel = Channel::new(&variable, &url, None, &headers, timeout);
        let parent = match set("TRACEPARENT") {
            None => None,
            Some(text) => Some(Parent::parse(&text).ok_or(
                "TRACEPARENT: write 00-TRACE-SPAN-FLAGS, with 32, 16 and 2 hexadecimal digits in lower case",
            )?),
        };
        Ok(Some(Settings {
            channel: channel.map_err(|bad| format!("{variable}: {}", bad.reason))?,
            format,
            resource: resource(set("OTEL_SERVICE_NAME"), set("OTEL_RESOURCE_ATTRIBUTES"))?,
            parent,
            sampler: Sampler::parse(
                set("OTEL_TRACES_SAMPLER").as_deref(),
                set("OTEL_TRACES_SAMPLER_ARG").as_deref(),
            )?,
        }))
    }
}

/// The address that takes traces: the one that is given for them, or below the one that is given for everything.
fn address(variable: &str, endpoint: String) -> String {
    let (false, Ok(mut url)) = (variable.contains("TRACES"), Url::parse(&endpoint)) else { return endpoint };
    url.set_path(&format!("{}/v1/traces", url.path().trim_end_matches('/')));
    url.into()
}

fn resource(service: Option<String>, more: Option<String>) -> Result<BTreeMap<String, String>, String> {
    let own = [("service.name", "lifeboat"), ("service.version", env!("CARGO_PKG_VERSION"))];
    let mut all: BTreeMap<String, String> =
        own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    all.extend(pairs(&more.unwrap_or_default()).map_err(|why| format!("OTEL_RESOURCE_ATTRIBUTES: {why}"))?);
    all.extend(service.map(|name| ("service.name".to_owned(), name)));
    Ok(all)
}

fn headers(text: &str) -> Result<Vec<(String, SecretString)>, String> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let mut found = Vec::new();
    for (at, (name, value)) in pairs(text)?.into_iter().enumerate() {
        // A name is told where it cannot be used: what is none may be part of the secret.
        if !name.chars().all(token)
            || value.trim_matches('=').is_empty()
            || value.chars().any(char::is_control)
        {
            return Err(format!("its entry {} is no header NAME=VALUE", at + 1));
        }
        found.push((name, value.into()));
    }
    Ok(found)
}

/// `a=1,b=2`; what is not plain in it is percent-encoded.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let pair = |(at, entry): (usize, &str)| {
        let decoded = |part: &str| Some(percent_decode_str(part.trim()).decode_utf8().ok()?.into_owned());
        let pair = entry.split_once('=').and_then(|(name, value)| Some((decoded(name)?, decoded(value)?)));
        let pair = pair.filter(|(name, _)| !name.is_empty());
        pair.ok_or_else(|| format!("its entry {} is no NAME=VALUE", at + 1))
    };
    entries.enumerate().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let set: BTreeMap<&str, &str> = set.iter().copied().collect();
        Settings::read(&|name| set.get(name).map(|it| (*it).to_owned()))
    }

    const HERE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4318");

    #[test]
    fn nothing_is_sent_that_nobody_asks_for() {
        for set in [
            &[][..],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
            &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_SERVICE_NAME", "x")],
            &[HERE, ("OTEL_SDK_DISABLED", "TRUE")],
            &[HERE, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert!(read(set).unwrap().is_none(), "{set:?}");
        }
        assert!(read(&[HERE, ("OTEL_SDK_DISABLED", "false")]).unwrap().is_some());
    }

    #[test]
    fn where_traces_go() {
        let to = |variable, endpoint: &str| address(variable, endpoint.to_owned());
        for (given, taken) in [
            ("http://otel:4318", "http://otel:4318/v1/traces"),
            ("http://otel:4318/", "http://otel:4318/v1/traces"),
            ("https://otel/base/?a=b", "https://otel/base/v1/traces?a=b"),
        ] {
            assert_eq!(to(HERE.0, given), taken);
            assert_eq!(to("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", given), given);
        }
        assert_eq!(read(&[HERE]).unwrap().unwrap().format, Format::Protobuf);
        let json = [
            HERE,
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ];
        assert_eq!(read(&json).unwrap().unwrap().format, Format::Json);
    }

    #[test]
    fn of_what_the_spans_are() {
        let of = |set: &[(&str, &str)]| read(&[&[HERE], set].concat()).unwrap().unwrap().resource;
        assert_eq!(of(&[])["service.name"], "lifeboat");
        let more = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other, deployment.environment.name=a%2Cb%20c,");
        let all = of(&[more]);
        assert_eq!(
            (all["service.name"].as_str(), all["deployment.environment.name"].as_str()),
            ("other", "a,b c")
        );
        assert_eq!(of(&[more, ("OTEL_SERVICE_NAME", "backups")])["service.name"], "backups");
    }

    #[test]
    fn what_cannot_be_heeded_is_named_and_its_value_is_not() {
        for (variable, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "hush:4318"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "otel hush"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:hush@otel"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "unix:///hush"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "hush"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s hush"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/etc/hush"),
            ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/etc/hush"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hush"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "aHVzaA=="),
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Bearer hush=="),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=b,api-key=hush%0A"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=hush%FF"),
            ("OTEL_RESOURCE_ATTRIBUTES", "hush"),
            ("OTEL_TRACES_EXPORTER", "zipkin,hush"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("TRACEPARENT", "00-hush"),
        ] {
            let said = read(&[HERE, (variable, value)]).unwrap_err();
            assert!(said.starts_with(variable) && !said.contains("hush"), "{said}");
        }
        let said = read(&[HERE, ("OTEL_EXPORTER_OTLP_HEADERS", "aHVzaA==")]).unwrap_err();
        assert!(!said.contains("aHVzaA"), "{said}");
        let set = read(&[HERE, ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=Basic%20hush,x=y")]).unwrap().unwrap();
        assert!(!format!("{set:?}").contains("hush"), "{set:?}");
    }
}
