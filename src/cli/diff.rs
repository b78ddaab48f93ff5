use super::{
    Exit, Format,
    context::{Api, Context, Keys, Trust},
    failure::Failure,
    progress::Spinner,
    since::since,
};
use crate::{
    catalogue::{Catalogue, Listed, Signature},
    compare::{Asked, Change, Comparison, Live, Selection, Summary, compare},
    point::ArtifactKind,
    report,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
};

/// Shows what changed between two recovery points, or a point and the live cluster
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Both exports' indexes are read first; objects are read only where their digests differ. Left out is what the server and \
controllers write: resourceVersion, generation, managedFields, status (compared with --status), events, leases and figures \
(compared with --all-types). Values of Secrets are shown as digests that hold for one run only.

--access shows only what changes who may do what: roles and bindings, service accounts, tokens, admission webhooks and \
policies, certificate requests. It takes any number of recovery points and shows what happened between each two of them. What \
deserves a look is marked with `!`.

The exit code is 0 whether or not there are differences; with --exit-code it is 1 when there are.

Examples:
  lifeboat diff 20261122T084500Z-k3f9 latest -i identity.txt
  lifeboat diff latest live -n shop -i identity.txt
  lifeboat diff latest live --type deployments --stat -i identity.txt
  lifeboat diff --access --since 7d live -i identity.txt")]
pub(super) struct Args {
    /// Recovery points (ids, beginnings of ids, `latest`), older first; `live` as the last is the live cluster
    #[arg(value_name = "ID|live")]
    points: Vec<String>,
    /// Only what changes who may do what; takes several recovery points
    #[arg(long)]
    access: bool,
    /// With --access: every recovery point since then (7d, 36h, 2026-11-20), and the last one before
    #[arg(long, value_name = "WHEN", requires = "access", conflicts_with = "all")]
    since: Option<String>,
    /// With --access: every recovery point
    #[arg(long, requires = "access")]
    all: bool,
    /// Only this namespace, wildcards allowed; may be given several times
    #[arg(short, long = "namespace", value_name = "NAME")]
    namespaces: Vec<String>,
    /// Only this type, as kubectl takes it, or a pattern such as *.apps; may be given several times
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Compare status as well
    #[arg(long)]
    status: bool,
    /// Compare events, leases and figures as well
    #[arg(long)]
    all_types: bool,
    /// Only how many objects of which type changed
    #[arg(long)]
    stat: bool,
    /// Exit with 1 when there are differences
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    api: Api,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let timeline = args.all || args.since.is_some();
    if !timeline && args.points.len() < 2 {
        let help = "`lifeboat list` shows the recovery points; `live` is the live cluster";
        return Err(Failure::usage("name two recovery points, or one and `live`").help(help));
    }
    if !args.access && args.points.len() > 2 {
        return Err(Failure::usage("two sides are compared; only --access takes more"));
    }
    let identities = args.keys.load()?;
    let catalogue = context.catalogue(&args.trust).await?;
    let mut skipped = Vec::new();
    let mut asked = match timeline {
        true => every(&catalogue, args.since.as_deref(), &mut skipped).await?,
        false => Vec::new(),
    };
    for point in &args.points {
        asked.push(match point.as_str() {
            "live" => Asked::Live(Box::new(Live::new(context.resources(&args.api)?))),
            _ if timeline => return Err(Failure::usage("beside --since and --all only `live` can be named")),
            id => Asked::Point(Box::new(catalogue.load(&catalogue.resolve(id).await?).await?.manifest)),
        });
    }
    let mut selection = Selection::default().in_namespaces(&args.namespaces)?;
    (selection.access, selection.status, selection.restless) = (args.access, args.status, args.all_types);
    let shown = Spinner::start(&context.global, "comparing");
    let found = compare(&catalogue, &asked, identities, selection, &args.types, rand::random()).await?;
    drop(shown);
    let mut out = BufWriter::new(io::stdout().lock());
    let written = match context.global.output {
        Format::Table => table(&mut out, &found, &args, &skipped),
        Format::Json => document(&mut out, &found, &args, &skipped),
        Format::Yaml => {
            let mut json = Vec::new();
            let total = document(&mut json, &found, &args, &skipped)?;
            let value: Value = serde_json::from_slice(&json)?;
            out.write_all(serde_yaml::to_string(&value)?.as_bytes())?;
            Ok(total)
        }
    };
    let total = match written.and_then(|total| out.flush().map(|()| total).map_err(Failure::from)) {
        // A reader that went away is no error.
        Err(failure) if is_broken_pipe(&failure) => return Ok(Exit::Done),
        other => other?,
    };
    Ok(match total.differs() {
        _ if skipped.iter().any(|skipped| skipped.untrusted) => Exit::Verification,
        true if args.exit_code => Exit::Failed,
        _ => Exit::Done,
    })
}

fn is_broken_pipe(failure: &Failure) -> bool {
    failure.error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// A recovery point that has no place in a timeline.
struct Skipped {
    id: String,
    reason: String,
    untrusted: bool,
}

/// Every recovery point with an export since then, and the last one before.
async fn every(
    catalogue: &Catalogue,
    begin: Option<&str>,
    skipped: &mut Vec<Skipped>,
) -> Result<Vec<Asked>, Failure> {
    let begin = begin.map(|text| since(text, Timestamp::now())).transpose()?;
    let mut found = Vec::new();
    for Listed { id, manifest, signature } in catalogue.list().await? {
        let older = begin.is_some_and(|begin| id.time().is_some_and(|at| at < begin));
        let trouble = match (&manifest, signature) {
            (_, Signature::Bad(reason)) => Some((reason, true)),
            (Err(reason), _) => Some((reason.clone(), true)),
            (Ok(m), _) if m.artifact(&ArtifactKind::ResourcesIndex).is_none() => {
                Some(("it holds no resource export".to_owned(), false))
            }
            _ => None,
        };
        match (trouble, manifest) {
            (Some(_), _) if older => {}
            (Some((reason, untrusted)), _) => skipped.push(Skipped { id: id.to_string(), reason, untrusted }),
            (None, Ok(manifest)) => {
                if older {
                    found.clear();
                }
                found.push(Asked::Point(Box::new(manifest)));
            }
            (None, Err(_)) => {}
        }
    }
    Ok(found)
}

/// How much changed, by type.
type Types = BTreeMap<String, Summary>;

/// Goes through a step's changes and counts them by type.
fn walk(
    found: &Comparison,
    step: usize,
    types: &mut Types,
    mut visit: impl FnMut(&Change) -> Result<(), Failure>,
) -> Result<Summary, Failure> {
    found.each_change(step, |change| {
        types.entry(change.kind.to_string()).or_default().count(&change);
        visit(&change)
    })
}

fn table(
    out: &mut impl Write,
    found: &Comparison,
    args: &Args,
    skipped: &[Skipped],
) -> Result<Summary, Failure> {
    let (mut total, mut types) = (Summary::default(), Types::new());
    for skipped in skipped {
        writeln!(out, "Left out: {}: {}", skipped.id, skipped.reason)?;
    }
    for step in 0..found.steps() {
        writeln!(out, "{} -> {}", report::side(&found.sides[step]), report::side(&found.sides[step + 1]))?;
        let show = |change: &Change| {
            if !args.stat {
                out.write_all(report::change(change).as_bytes())?;
            }
            Ok(())
        };
        let summary = walk(found, step, &mut types, show)?;
        out.write_all(report::notes(&found.notes(step)).as_bytes())?;
        writeln!(out, "{}", report::summary(&summary))?;
        if step + 1 < found.steps() {
            writeln!(out)?;
        }
        total += summary;
    }
    if args.stat {
        let rows = types.iter().map(|(name, s)| {
            let numbers = [s.added, s.removed, s.changed, s.recreated];
            let numbers = numbers.map(|n| if n == 0 { String::new() } else { n.to_string() });
            [vec![name.clone()], numbers.into()].concat()
        });
        writeln!(out, "\n{}", report::table(&["type", "added", "removed", "changed", "recreated"], rows))?;
    }
    Ok(total)
}

/// One JSON document, written change by change.
fn document(
    out: &mut impl Write,
    found: &Comparison,
    args: &Args,
    skipped: &[Skipped],
) -> Result<Summary, Failure> {
    let mut total = Summary::default();
    let skipped: Vec<Value> = skipped.iter().map(|it| json!({"id": it.id, "reason": it.reason})).collect();
    if args.access {
        write!(out, "{{\"leftOut\": {}, \"steps\": [", Value::from(skipped))?;
    }
    for step in 0..found.steps() {
        let [before, after] = [&found.sides[step], &found.sides[step + 1]].map(serde_json::to_string);
        write!(
            out,
            "{}{{\"before\": {},\n\"after\": {},",
            if step > 0 { ",\n" } else { "" },
            before?,
            after?
        )?;
        write!(out, "\n\"notes\": {},", serde_json::to_string(&found.notes(step))?)?;
        let mut types = Types::new();
        let mut first = true;
        if !args.stat {
            write!(out, "\n\"changes\": [")?;
        }
        let summary = walk(found, step, &mut types, |change| {
            if !args.stat {
                write!(out, "{}{}", if first { "\n" } else { ",\n" }, serde_json::to_string(change)?)?;
                first = false;
            }
            Ok(())
        })?;
        match args.stat {
            true => write!(out, "\n\"types\": {}", serde_json::to_string(&types)?)?,
            false => write!(out, "\n]")?,
        }
        write!(out, ",\n\"summary\": {}}}", serde_json::to_string(&summary)?)?;
        total += summary;
    }
    if args.access {
        write!(out, "\n], \"summary\": {}}}", serde_json::to_string(&total)?)?;
    }
    writeln!(out)?;
    Ok(total)
}
