use super::prepare::{self, Given, Making, Opening};
use crate::{
    cli::{
        Exit,
        context::{Api, Context},
        failure::Failure,
        output,
    },
    playbook::{model::RunsOn, plan::roles},
    point::PointId,
};
use jiff::Timestamp;
use serde_json::json;

/// Prints the rights that a playbook needs, and no others
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A ClusterRole, Roles and bindings for a service account, out of the plan that is made with these parameters: what it does, what it \
takes back, and what planning itself has to see. Run it with credentials that may look at everything.

Examples:
  lifeboat playbook rbac compromised-pod -p incident=INC-7 \\
      -p pod=shop/web-0 --account ops/responder")]
pub(in crate::cli) struct Args {
    /// The playbook: its name, or its file
    #[arg(value_name = "PLAYBOOK")]
    playbook: String,
    #[command(flatten)]
    given: Given,
    /// The service account that gets the rights
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "lifeboat/playbooks")]
    account: String,
    #[command(flatten)]
    api: Api,
    #[command(flatten)]
    opening: Opening,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let Some(account) = args.account.split_once('/') else {
        return Err(Failure::usage("--account: write NAMESPACE/NAME"));
    };
    if prepare::runs_on(context, &args.playbook)? == RunsOn::Host {
        let none = json!({"apiVersion": "v1", "kind": "List", "items": []});
        let text = "It runs on a host, without an API server: it needs no rights there.";
        output::result(context.global.output, &none, || text.to_owned())?;
        return Ok(Exit::Done);
    }
    let equipment = prepare::equipment(context, &args.opening, &args.api).await?;
    let target = prepare::target(context, &args.api, RunsOn::Cluster).await?;
    let now = Timestamp::now();
    let making = Making {
        playbook: &args.playbook,
        given: args.given.read()?,
        run: PointId::new(now, rand::random()),
        by: "rbac".to_owned(),
        now,
    };
    let plan = prepare::planned(context, &target, &equipment, making).await?;
    let lease = prepare::lease_namespace(context)?;
    let list = roles(&plan, account, &lease);
    output::result(context.global.output, &list, || {
        let documents = list["items"].as_array().into_iter().flatten();
        let each = documents.map(|it| serde_yaml::to_string(it).unwrap_or_default());
        each.collect::<Vec<_>>().join("---\n")
    })?;
    Ok(Exit::Done)
}
