use super::prepare;
use crate::{
    catalogue::Said,
    cli::{
        Exit,
        context::{Context, Trust},
        failure::Failure,
        output,
    },
    pipeline::Signer,
    playbook::{
        Approval, Decision,
        plan::{Plan, PlannedStep, PlannedWhat},
    },
    point::{FormatVersion, PointId, ToolFacts},
    report,
};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;
use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

/// How long a statement counts unless somebody says otherwise.
const HOURS: i64 = 8;

/// Says that a step of a run may be done, or was done by hand
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The statement is signed with your own key, whose public half is among `playbooks.approvers` of the configuration, and is bound to \
the plan's digest: look at the plan first (`--show`). It stands in the store beside the run; without a store, --plan FILE and --to DIR make a file of it \
that is carried over by hand (`lifeboat playbook run --approvals DIR`).

A manual step is answered in the same way once it was done, with what has to be told.

Examples:
  lifeboat playbook approve latest --show
  lifeboat playbook approve latest --step gate-identity --as alice \\
      --key alice.key
  lifeboat playbook approve latest --step fence --as bob --key bob.key \\
      --told ticket=OPS-12
  lifeboat playbook approve --plan plan.json --step gate --as alice \\
      --key alice.key --to approvals")]
pub(in crate::cli) struct Args {
    /// The run: an id, the beginning of one, or `latest`
    #[arg(value_name = "RUN", required_unless_present = "plan")]
    run: Option<String>,
    /// The plan, if it is not in the store
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Only show the plan, and which steps wait for somebody
    #[arg(long, conflicts_with_all = ["step", "deny", "to"])]
    show: bool,
    /// The step
    #[arg(long, value_name = "STEP", required_unless_present = "show")]
    step: Option<String>,
    /// Say no
    #[arg(long)]
    deny: bool,
    /// Who you are, as the configuration has it
    #[arg(long = "as", value_name = "NAME", required_unless_present = "show")]
    name: Option<String>,
    /// Your minisign secret key
    #[arg(long, value_name = "FILE", required_unless_present = "show")]
    key: Option<PathBuf>,
    /// A file that holds the key's password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// What is told along with it: NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE")]
    told: Vec<String>,
    /// Write the statement into this directory and not into the store
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let plan = match (&args.plan, &args.run) {
        (Some(file), _) => {
            parse(&std::fs::read(file).map_err(|e| Failure::usage(format!("{}: {e}", file.display())))?)?
        }
        (None, run) => {
            let catalogue = context.catalogue(&args.trust).await?;
            let id = catalogue.find_run(run.as_deref().unwrap_or("latest")).await?;
            parse(&catalogue.plan_of(&id).await?)?
        }
    };
    if args.show {
        output::result(context.global.output, &plan, || report::plan_text(&plan))?;
        return Ok(Exit::Done);
    }
    let wanted = args.step.as_deref().unwrap_or_default();
    let step = plan.step(wanted).filter(|step| asks(step)).ok_or_else(|| {
        let all: Vec<&str> =
            plan.every_step().into_iter().filter(|it| asks(it)).map(|it| it.id.as_str()).collect();
        let all = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        Failure::usage(format!("no step `{wanted}` of the plan asks anybody"))
            .help(format!("these do: {all}"))
    })?;
    let name = args.name.clone().unwrap_or_default();
    let approvers = prepare::approvers(context)?;
    let approver = approvers.iter().find(|it| it.name == name).ok_or_else(|| {
        Failure::usage(format!("{name} is no approver"))
            .help("approvers stand in playbooks.approvers of the configuration")
    })?;
    let told = told(&args.told)?;
    if let PlannedWhat::Manual { evidence, .. } = &step.what
        && !args.deny
        && let Some(missing) = evidence.iter().find(|it| !told.contains_key(*it))
    {
        return Err(
            Failure::usage(format!("`{missing}` has to be told")).help(format!("write --told {missing}=…"))
        );
    }
    let signer = signer(args.key.as_deref(), args.password_file.as_deref())?;
    let now = Timestamp::now();
    let approval = Approval {
        format: FormatVersion::CURRENT,
        id: PointId::new(now, rand::random()),
        run: plan.run.clone(),
        step: step.id.clone(),
        plan: plan.digest(),
        decision: if args.deny { Decision::Deny } else { Decision::Approve },
        by: name.clone(),
        at: now,
        expires: now + SignedDuration::from_hours(HOURS),
        tool: ToolFacts::current(),
        told,
    };
    let statement =
        approval.sign(&signer).map_err(|e| Failure::usage(format!("it cannot be signed: {e}")))?;
    let believed =
        approver.key.verify_record(&statement.bytes, &statement.signature, &Approval::comment(&plan.run));
    believed
        .map_err(|_| Failure::usage(format!("this is not the key of {name}: nobody would believe it")))?;
    match &args.to {
        Some(directory) => {
            std::fs::create_dir_all(directory)?;
            let path = directory.join(format!("{}.json", approval.id));
            let signature = directory.join(format!("{}.json.minisig", approval.id));
            for (path, bytes) in [(&signature, &statement.signature), (&path, &statement.bytes)] {
                let mut file = output::beside(path)?;
                file.write_all(bytes)?;
                output::put(file, path)?;
            }
        }
        None => {
            let catalogue = context.catalogue(&args.trust).await?;
            let said = Said { bytes: statement.bytes, signature: statement.signature };
            catalogue.put_statement(&plan.run, &approval.id, said).await?;
        }
    }
    let word = if args.deny { "says no to" } else { "agrees to" };
    output::result(context.global.output, &json!(approval), || {
        format!("{name} {word} step {} of run {}, with the plan {}", step.id, plan.run, approval.plan)
    })?;
    Ok(Exit::Done)
}

/// Does a step ask anybody?
fn asks(step: &PlannedStep) -> bool {
    step.gate.is_some() || matches!(step.what, PlannedWhat::Manual { .. })
}

fn parse(bytes: &[u8]) -> Result<Plan, Failure> {
    serde_json::from_slice(bytes).map_err(|e| Failure::new(Exit::Verification, format!("it is no plan: {e}")))
}

fn told(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let each = given.iter().map(|text| match text.split_once('=') {
        Some((name, value))
            if !name.is_empty() && !value.chars().any(char::is_control) && value.len() <= 1000 =>
        {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(Failure::usage(format!("--told {text}: write NAME=VALUE, in one line"))),
    });
    each.collect()
}

fn signer(key: Option<&Path>, password: Option<&Path>) -> Result<Signer, Failure> {
    let secret = |path: &Path| {
        let read = std::fs::read_to_string(path);
        read.map(SecretString::from).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))
    };
    let key = secret(key.unwrap_or(Path::new("")))?;
    let password = password.map(secret).transpose()?;
    let password = password.map(|it| {
        use secrecy::ExposeSecret;
        SecretString::from(it.expose_secret().trim_end_matches(['\r', '\n']).to_owned())
    });
    Ok(Signer::new(&key, password.as_ref())?)
}
