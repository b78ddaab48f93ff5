use super::{
    Exit,
    context::{Context, Trust},
    copy::{copy_to, owes},
    failure::Failure,
    output,
};
use crate::{
    catalogue::{
        Catalogue,
        overview::{Copies, Judgement, Objectives, Overview, judge},
    },
    config::{self, Age, ClusterName},
    report,
    store::Store,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

/// Tells how things stand, by what the store holds
#[derive(Debug, clap::Args)]
#[command(after_help = "\
For every cluster in the store, or the one that --cluster names: the newest recovery points, when one was last verified, the last \
drills, what is owed to other stores, what is held, which runs of playbooks wait or are not over, and what is not to be trusted. \
No cluster is asked.

What has an objective, under `objectives` of the configuration or by a flag, is judged; the same holds for every cluster that is \
shown. A recovery point counts for the RPO if it is Completed, its signature does not fail, and neither did its last \
verification. A cluster without one misses it.

Exit codes:
  0  every objective is met, or there is none
  1  the store does not answer
  4  a signature is bad, or the last verification of a recovery point failed
  5  an objective is missed, and nothing is as bad as 4

Examples:
  lifeboat status
  lifeboat status --rpo 2h --verified 8d --drilled 100d
  lifeboat status --cluster prod-eu1 -o json | jq '.clusters[0].findings'
  lifeboat status --store file:///srv/lifeboat --rpo 2h")]
pub(super) struct Args {
    /// How old the newest complete recovery point may be [default: objectives.rpo]
    #[arg(long, value_name = "AGE")]
    rpo: Option<Age>,
    /// How long ago a recovery point may have passed a verification last [default: objectives.verified]
    #[arg(long, value_name = "AGE")]
    verified: Option<Age>,
    /// How long ago a drill may have passed last [default: objectives.drilled]
    #[arg(long, value_name = "AGE")]
    drilled: Option<Age>,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let configured = context.optional()?.map(|loaded| loaded.config.objectives.clone()).unwrap_or_default();
    let flags = config::Objectives { rpo: args.rpo, verified: args.verified, drilled: args.drilled };
    let objectives = objectives(flags, configured);
    let store = context.store().await?;
    let now = Timestamp::now();
    let mut all = Vec::new();
    for cluster in clusters(context, store.as_ref()).await? {
        let catalogue = context.catalogue_of(store.clone(), &cluster, &args.trust)?;
        let mut facts = catalogue.overview(now).await?;
        facts.copies = copies(context, &catalogue, &args.trust).await?;
        let judgement = judge(&facts, objectives, now);
        all.push((facts, judgement));
    }
    let value = told(&all, objectives, store.url(), now)?;
    output::result(context.global.output, &value, || report::status(&all, objectives, store.url(), now))?;
    let findings = all.iter().flat_map(|(_, judgement)| &judgement.findings);
    // Of several as grave the first.
    if let Some(first) = findings.rev().max_by_key(|it| it.level) {
        context.say(first.message.clone());
    }
    Ok(exit(&all))
}

fn exit(all: &[(Overview, Judgement)]) -> Exit {
    let any = |of: fn(&Judgement) -> bool| all.iter().any(|(_, judgement)| of(judgement));
    match (any(Judgement::distrusts), any(Judgement::missed)) {
        (true, _) => Exit::Verification,
        (false, true) => Exit::Objective,
        (false, false) => Exit::Done,
    }
}

/// What is told to programs.
pub(super) fn told(
    all: &[(Overview, Judgement)],
    objectives: Objectives,
    store: &str,
    now: Timestamp,
) -> Result<Value, Failure> {
    let clusters = all.iter().map(value).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({"at": now, "store": store, "judged": !objectives.is_empty(), "clusters": clusters}))
}

fn value((facts, judgement): &(Overview, Judgement)) -> Result<Value, Failure> {
    let Judgement { rpo, verified, drilled, findings } = judgement;
    let mut value = serde_json::to_value(facts)?;
    value["objectives"] = json!({"rpo": rpo, "verified": verified, "drilled": drilled});
    value["missed"] = json!(judgement.missed());
    value["findings"] = json!(findings);
    Ok(value)
}

/// What flags say, over the configuration.
pub(super) fn objectives(flags: config::Objectives, configured: config::Objectives) -> Objectives {
    let length = |flag: Option<Age>, configured: Option<Age>| flag.or(configured).map(|age| age.length());
    Objectives {
        rpo: length(flags.rpo, configured.rpo),
        verified: length(flags.verified, configured.verified),
        drilled: length(flags.drilled, configured.drilled),
    }
}

/// The cluster that was asked for, else all in the store. The configuration's own is told also where its store has nothing of it:
/// that is what somebody has to know.
async fn clusters(context: &Context, store: &dyn Store) -> Result<BTreeSet<String>, Failure> {
    if let Some(cluster) = &context.global.cluster {
        return Ok([cluster.parse::<ClusterName>()?.to_string()].into());
    }
    let mut found = in_store(store).await?;
    if !by_url(context)
        && let Some(loaded) = context.optional()?
    {
        found.insert(loaded.config.cluster.to_string());
    }
    match found.is_empty() {
        true => Err(Failure::new(Exit::Failed, format!("{} holds nothing", store.url()))
            .help("name a cluster with --cluster to be told of one that has nothing there")),
        false => Ok(found),
    }
}

/// All clusters that the store has something of. Beside them there may be what others have put there.
pub(super) async fn in_store(store: &dyn Store) -> Result<BTreeSet<String>, Failure> {
    let named = |name: &String| name.parse::<ClusterName>().is_ok();
    Ok(Catalogue::clusters(store).await?.into_iter().filter(named).collect())
}

/// A store by its URL is any store.
fn by_url(context: &Context) -> bool {
    context.global.store.as_deref().is_some_and(|store| store.contains(':'))
}

/// What the stores lack that the store is copied to, of the cluster that the configuration is of. Either store is listed for that; where
/// one lacks something and has a retention, all that is recorded in both is read.
pub(super) async fn copies(
    context: &Context,
    from: &Catalogue,
    trust: &Trust,
) -> Result<Vec<Copies>, Failure> {
    let own = context.optional()?.is_some_and(|loaded| loaded.config.cluster.as_str() == from.cluster());
    let names = if own { copy_to(context)? } else { Vec::new() };
    let mut found = Vec::new();
    for store in names {
        let owed = async {
            let to: Arc<dyn Store> = context.configured(Some(&store)).await?;
            let to = context.catalogue_of(to, from.cluster(), trust)?;
            owes(context, &store, from, &to).await
        };
        let (owed, error) = match owed.await {
            Ok(owed) => (owed, None),
            Err(e) => (Vec::new(), Some(e.error.to_string())),
        };
        found.push(Copies { store, owed, error });
    }
    Ok(found)
}
