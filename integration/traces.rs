//! Traces over OTLP: what runs tell the OpenTelemetry Collector's own receiver, and what becomes of a run that nobody listens to.

use crate::{
    boat::{Lifeboat, Ran, with_boat},
    daemon::{Daemon, overdue, schedules, within},
    drill_case,
    lab::{ClusterOptions, EtcdOptions, collector::Collector, with_cluster, with_etcd},
    playbook_case::playbook,
    webhook::{Answer, Receiver},
};
use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What a collector wants to see: a secret.
pub const KEY: &str = "otlp-key-0a9f4e77c1";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const ABOVE: &str = "00f067aa0ba902b7";

/// A span, as the collector has it.
#[derive(Debug)]
struct Span {
    name: String,
    trace: String,
    id: String,
    parent: String,
    start: u64,
    end: u64,
    attributes: BTreeMap<String, String>,
    failed: Option<String>,
}

/// Names and values.
fn attributes(of: &Value) -> BTreeMap<String, String> {
    let all = of["attributes"].as_array().into_iter().flatten();
    let text = |value: &Value| match &value["value"]["stringValue"] {
        Value::String(text) => text.clone(),
        _ => value["value"]["intValue"].as_str().unwrap().to_owned(),
    };
    all.map(|it| (it["key"].as_str().unwrap().to_owned(), text(it))).collect()
}

impl Span {
    fn of(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let failed = (value["status"]["code"] == 2)
            .then(|| value["status"]["message"].as_str().unwrap_or_default().to_owned());
        assert_eq!(value["kind"], 1);
        Span {
            name: text("name"),
            trace: text("traceId"),
            id: text("spanId"),
            parent: text("parentSpanId"),
            start: text("startTimeUnixNano").parse().unwrap(),
            end: text("endTimeUnixNano").parse().unwrap(),
            attributes: attributes(value),
            failed,
        }
    }

    fn ms(&self) -> u64 {
        (self.end - self.start) / 1_000_000
    }
}

/// What one run told: of what it is, and its spans, the run's own first.
struct Told {
    resource: BTreeMap<String, String>,
    spans: Vec<Span>,
}

impl Told {
    /// What came in the request of this number, in which there is one trace of one run.
    fn nth(collector: &Collector, at: usize) -> Result<Self> {
        let came = collector.came()?;
        assert_eq!(came.len(), at + 1, "{came:#?}");
        let of = &came[at]["resourceSpans"];
        assert_eq!((of.as_array().unwrap().len(), of[0]["scopeSpans"].as_array().unwrap().len()), (1, 1));
        let scope = &of[0]["scopeSpans"][0];
        assert_eq!(scope["scope"]["name"], "lifeboat");
        let spans: Vec<Span> = scope["spans"].as_array().unwrap().iter().map(Span::of).collect();
        let told = Told { resource: attributes(&of[0]["resource"]), spans };
        let ids: BTreeSet<&str> = told.spans.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(ids.len(), told.spans.len());
        for span in &told.spans {
            assert_eq!(span.trace, told.run().trace);
            let within = told.spans.iter().find(|it| it.id == span.parent).unwrap_or(told.run());
            assert!(
                within.start <= span.start && span.start <= span.end && span.end <= within.end,
                "{span:#?} {within:#?}"
            );
        }
        Ok(told)
    }

    fn run(&self) -> &Span {
        &self.spans[0]
    }

    fn said(&self, name: &str) -> &str {
        self.run().attributes.get(name).map_or("", String::as_str)
    }

    /// What stands below a span, by name.
    fn below(&self, above: &Span) -> Vec<&str> {
        self.spans.iter().filter(|it| it.parent == above.id).map(|it| it.name.as_str()).collect()
    }

    fn span(&self, name: &str) -> &Span {
        self.spans.iter().find(|it| it.name == name).unwrap()
    }
}

/// Runs the program with these variables, and the key in its headers.
async fn run(boat: &Lifeboat, env: &[(&str, &str)], args: &[&str]) -> Ran {
    let mut command = boat.command(args);
    command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("api-key={KEY}")).envs(env.iter().copied());
    let output = tokio::time::timeout(Duration::from_secs(120), command.output()).await;
    Ran::from(output.expect("it ends").unwrap())
}

const PLAYBOOK: &str = "    - id: both
      parallel:
        - {id: short, action: wait, args: {for: 1ms}}
        - {id: long, action: wait, args: {for: 300ms}}
    - {id: each, forEach: params.nets, action: wait, args: {for: 1ms}}
    - {id: never, action: wait, args: {target: {kind: Namespace, name: default}, until: gone, within: 1s}, timeout: 5s, onFailure: continue}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_are_traces_of_their_phases_at_a_collector() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let collector = Collector::start(cluster.etcd().dir()).await?;
        let endpoint = collector.endpoint();
        let here = ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str());

        // A backup that is part of something else, whose times are those of the manifest.
        let parent = format!("00-{TRACE}-{ABOVE}-01");
        let env = [
            here,
            ("TRACEPARENT", parent.as_str()),
            ("OTEL_SERVICE_NAME", "backups"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=lab%2C%201"),
        ];
        let before = Timestamp::now().as_nanosecond();
        let args = ["backup", "-o", "json"];
        let ran = run(&boat, &env, &args).await.expect(0);
        let after = Timestamp::now().as_nanosecond();
        let manifest = ran.json();
        let told = Told::nth(&collector, 0)?;
        let backup = told.run();
        assert_eq!(
            (backup.name.as_str(), backup.trace.as_str(), backup.parent.as_str()),
            ("backup", TRACE, ABOVE)
        );
        assert!(before <= i128::from(backup.start) && i128::from(backup.end) <= after);
        assert_eq!(backup.failed, None);
        assert_eq!(told.said("lifeboat.point"), manifest["id"].as_str().unwrap());
        assert_eq!(
            ["lifeboat.cluster", "lifeboat.outcome", "process.exit.code"].map(|it| told.said(it)),
            ["lab", "completed", "0"]
        );
        assert_eq!(told.resource["service.name"], "backups");
        assert_eq!(told.resource["deployment.environment.name"], "lab, 1");
        let phases = manifest["phases"].as_array().unwrap();
        let names: BTreeSet<&str> = phases.iter().map(|it| it["phase"].as_str().unwrap()).collect();
        assert_eq!((names.len(), told.spans.len()), (6, 7));
        assert_eq!(told.below(backup).into_iter().collect::<BTreeSet<_>>(), names);
        for phase in phases {
            let span = told.span(phase["phase"].as_str().unwrap());
            assert_eq!(span.ms(), phase["tookMs"].as_u64().unwrap(), "{}", span.name);
        }
        for (first, next) in [("etcd-survey", "etcd-snapshot"), ("etcd-snapshot", "etcd-store")] {
            assert_eq!(told.span(first).end, told.span(next).start, "{first}");
        }

        // A drill, by the other form of OTLP.
        drill_case::write(&boat, "", "")?;
        let args = [&drill_case::RUN[..], &["--point", "latest"]].concat();
        let ran = run(&boat, &[here, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")], &args).await.expect(0);
        let evidence = ran.json();
        let told = Told::nth(&collector, 1)?;
        assert_eq!((told.run().name.as_str(), told.run().parent.as_str()), ("drill", ""));
        assert_eq!(told.resource["service.name"], "lifeboat");
        for (name, expected) in [
            ("lifeboat.drill", &evidence["id"]),
            ("lifeboat.drill.name", &evidence["plan"]["name"]),
            ("lifeboat.drill.verdict", &evidence["verdict"]),
            ("lifeboat.point", &manifest["id"]),
        ] {
            assert_eq!(told.said(name), expected.as_str().unwrap());
        }
        let phases = evidence["phases"].as_array().unwrap();
        let expected: Vec<_> =
            phases.iter().map(|it| (it["phase"].as_str().unwrap(), it["tookMs"].as_u64().unwrap())).collect();
        let seen: Vec<_> = told.spans[1..].iter().map(|it| (it.name.as_str(), it.ms())).collect();
        assert!(seen == expected && seen.len() >= 8, "{seen:?} {expected:?}");

        // A playbook: steps stand in steps, those of a list are one, and one that fails is seen.
        playbook(&boat, "waits", "  params: [{name: nets, type: cidrList, required: true}]\n", PLAYBOOK)?;
        let args =
            ["playbook", "run", "waits.yaml", "-p", "nets=10.1.0.0/16,10.2.0.0/16", "--yes", "-o", "json"];
        let ran = run(&boat, &[here], &args).await.expect(3);
        let told = Told::nth(&collector, 2)?;
        let playbook = told.run();
        assert_eq!(told.said("lifeboat.run"), ran.json()["run"].as_str().unwrap());
        assert_eq!(told.said("lifeboat.playbook"), "waits");
        assert_eq!(told.below(playbook), ["both", "each", "never"]);
        assert_eq!(told.below(told.span("both")), ["short", "long"]);
        assert_eq!(told.spans.len(), 6);
        assert!(told.span("both").ms() >= 300 && told.span("long").ms() >= 300);
        assert_eq!(playbook.failed.as_deref(), Some("partially failed"));
        let failed: Vec<&str> =
            told.spans[1..].iter().filter(|it| it.failed.is_some()).map(|it| it.name.as_str()).collect();
        assert_eq!((failed, told.span("never").failed.as_deref()), (vec!["never"], Some("")));

        // A backup that cannot be taken, and the phase in which that was seen.
        boat.edit(|text| text.replace(&cluster.etcd().endpoints()[0], "http://127.0.0.1:9"))?;
        let ran = run(&boat, &[here], &["backup", "--etcd-only", "--log-format", "json"]).await.expect(1);
        let told = Told::nth(&collector, 3)?;
        let why = told.run().failed.clone().unwrap();
        assert!(why.contains("127.0.0.1:9") && ran.stderr.contains(&why[..20]), "{why}\n{}", ran.stderr);
        assert_eq!((told.said("lifeboat.outcome"), told.said("process.exit.code")), ("failed", "1"));
        assert_eq!((told.spans.len(), told.span("etcd-survey").failed.as_deref()), (2, Some("")));
        let trace = &told.run().trace;
        assert_ne!(trace, TRACE);
        let mut lines = ran.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        assert!(lines.all(|it| it["span"]["trace_id"] == *trace), "{}", ran.stderr);

        // Who is not told of the whole is not told of a part.
        let untold = format!("00-{TRACE}-{ABOVE}-00");
        for more in [
            ("TRACEPARENT", untold.as_str()),
            ("OTEL_SDK_DISABLED", "true"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ] {
            run(&boat, &[here, more], &["status"]).await.expect(0);
        }
        assert_eq!(collector.came()?.len(), 4);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_to_which_nobody_listens_goes_on_and_says_so_once() -> Result<()> {
    with_boat(EtcdOptions::default(), 1, async |etcd, boat| {
        let collector = Collector::start(etcd.dir()).await?;
        collector.pause()?;
        let busy = Receiver::start(|_| Answer::Status(503, "")).await?;
        let broken = Receiver::start(|_| Answer::Status(500, "")).await?;
        let moved = Receiver::start(|_| Answer::Status(307, "Location: http://127.0.0.1:9/\r\n")).await?;
        let page = Receiver::start(|_| Answer::Says(200, "<html>Welcome</html>")).await?;
        let shut = Receiver::start(|_| Answer::Closed).await?;
        let silent = Receiver::start(|_| Answer::Silent(Duration::from_secs(3600))).await?;
        let refusing =
            Receiver::start(|_| Answer::Says(200, "{\"partialSuccess\":{\"rejectedSpans\":\"4\"}}")).await?;
        let lost = "the trace of this run was not delivered: ";
        let unset = "no trace of this run is sent: ";
        let [endpoint, protocol] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"];
        for (to, more, said) in [
            (
                "http://127.0.0.1:9".to_owned(),
                ("A", ""),
                format!("{lost}it was not sent: no connection: connection refused"),
            ),
            (collector.endpoint(), ("A", ""), format!("{lost}it was sent, and there was no answer")),
            (
                silent.url(""),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "300"),
                format!("{lost}it was sent, and there was no answer: none came within 0.3 s"),
            ),
            (
                shut.url(""),
                ("A", ""),
                format!("{lost}it was sent, and there was no answer: the connection was lost"),
            ),
            (busy.url(""), ("A", ""), format!("{lost}the answer was 503")),
            (broken.url(""), ("A", ""), format!("{lost}the answer was 500")),
            (moved.url(""), ("A", ""), format!("{lost}the answer was 307, which leads elsewhere")),
            (page.url(""), ("A", ""), format!("{lost}what was answered is not of OTLP")),
            (refusing.url(""), (protocol, "http/json"), format!("{lost}4 of its spans were refused")),
            (
                "http://127.0.0.1:9".to_owned(),
                (protocol, "grpc"),
                format!("{unset}{protocol}: lifeboat speaks"),
            ),
            (
                format!("http://{KEY}@otel"),
                ("A", ""),
                format!("{unset}{endpoint}: its address has a user in it"),
            ),
            (
                broken.url(""),
                ("OTEL_EXPORTER_OTLP_HEADERS", KEY),
                format!("{unset}OTEL_EXPORTER_OTLP_HEADERS: its entry 1"),
            ),
        ] {
            let ran =
                run(boat, &[(endpoint, &to), more], &["backup", "--etcd-only", "-o", "json"]).await.expect(0);
            assert_eq!(ran.json()["status"], "Completed");
            let lines: Vec<&str> = ran.stderr.lines().filter(|it| it.contains("WARN")).collect();
            assert!(lines.len() == 1 && lines[0].contains(&said), "{said}\n{}", ran.stderr);
        }
        // It is tried again where that may help, and then it is the same.
        let tries = [busy.came(), broken.came(), moved.came(), page.came()].map(|it| it.len());
        assert_eq!(tries, [3, 1, 1, 1]);
        let first = &busy.came()[0];
        assert!(busy.came().iter().all(|it| it.body == first.body));
        assert_eq!((first.line.as_str(), first.headers["api-key"].as_str()), ("POST /v1/traces", KEY));
        assert_eq!(first.headers["content-type"], "application/x-protobuf");

        // Nothing of that is in a log that tells everything, either.
        let ran = run(boat, &[(endpoint, &busy.url(""))], &["status", "-vvv", "--log-format", "json"])
            .await
            .expect(0);
        assert!(ran.stderr.contains(lost), "{}", ran.stderr);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_run_of_a_daemon_is_a_trace() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        let boat = Lifeboat::init(etcd.dir(), Some(etcd), None).await?;
        let collector = Collector::start(etcd.dir()).await?;
        schedules(
            &boat,
            "  - {name: saves, cron: \"0 * * * *\", run: {backup: {etcdOnly: true}}}\n  \
               - {name: looks, cron: \"0 * * * *\", run: {prune: {}}}\n",
        )?;
        overdue(&boat, "saves")?;
        overdue(&boat, "looks")?;
        let mut command = boat.command(&["daemon", "--log-format", "json"]);
        command.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/v1/traces", collector.endpoint()));
        command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("api-key={KEY}"));
        let daemon = Daemon::of(&boat, "one", command)?;
        within(60, &daemon.log, async || collector.came().unwrap().len() >= 2).await;
        let log = daemon.end().await.expect(0).stderr;
        let told = boat.run(&["schedule", "runs", "-o", "json"]).await.expect(0).json();
        let all = told["runs"].as_array().context("runs")?.iter();
        let ran = all.filter(|it| it["outcome"] == "completed" || it["outcome"] == "usage");
        let ran: BTreeMap<&str, &Value> = ran.map(|it| (it["run"].as_str().unwrap(), it)).collect();
        let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut traces = BTreeSet::new();
        for request in collector.came()? {
            let span = Span::of(&request["resourceSpans"][0]["scopeSpans"][0]["spans"][0]);
            let turn = span.attributes["lifeboat.turn"].as_str();
            for (name, told) in [
                ("lifeboat.schedule", "schedule"),
                ("lifeboat.outcome", "outcome"),
                ("lifeboat.point", "made"),
            ] {
                assert_eq!(span.attributes.get(name).map(String::as_str), ran[turn][told].as_str(), "{name}");
            }
            // It has nothing to go by, and the line that says so is found by the trace.
            let prunes = turn.starts_with("looks/");
            let of_run = |it: &&Value| it["span"]["trace_id"] == span.trace && it["span"]["turn"] == turn;
            assert_eq!(
                (span.name.as_str(), span.failed.is_some()),
                if prunes { ("prune", true) } else { ("backup", false) }
            );
            assert!(lines.iter().any(|it| of_run(&it)) || !prunes, "{log}");
            traces.insert(span.trace);
        }
        assert_eq!(traces.len(), 2);
        Ok(())
    })
    .await
}
