use crate::{
    cli::{
        Exit,
        author::Author,
        context::{Context, Trust},
        failure::Failure,
        output,
    },
    point::{DrillNote, FormatVersion, PointId, ToolFacts},
};
use jiff::{Timestamp, civil::Date};

/// Records what is done about what a drill found
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The note is signed, stands beside the evidence, and is part of the report. Nothing of the evidence is changed by it.

Examples:
  lifeboat drill note latest --finding secrets-1 --action more-keys \\
      --owner alice --due 2026-12-31
  lifeboat drill note 20261123 --action 'mended' --retested-by 20261201")]
pub(in crate::cli) struct Args {
    /// The drill: an id, the beginning of one, or `latest`
    #[arg(value_name = "DRILL")]
    id: String,
    /// The finding, as the evidence names it, such as `objects-1` [default: the whole drill]
    #[arg(long, value_name = "ID")]
    finding: Option<String>,
    /// What is done about it
    #[arg(long, value_name = "TEXT")]
    action: String,
    /// Who does it
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Until when
    #[arg(long, value_name = "DATE")]
    due: Option<Date>,
    /// The drill that showed that it is mended
    #[arg(long, value_name = "DRILL")]
    retested_by: Option<String>,
    /// Who writes this [default: user@host]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let catalogue = context.catalogue(&args.trust).await?;
    let drill = catalogue.drill(&args.id).await?;
    let evidence = drill.trusted()?;
    let sentence = |name: &str, text: &str| match text.trim() {
        "" => Err(Failure::usage(format!("{name} must not be empty"))),
        text if text.chars().any(char::is_control) || text.chars().count() > 1000 => {
            Err(Failure::usage(format!("{name}: one line of 1000 characters at most is needed")))
        }
        text => Ok(text.to_owned()),
    };
    if let Some(wanted) = &args.finding {
        let known: Vec<&str> =
            evidence.checks.iter().flat_map(|check| &check.findings).map(|it| it.id.as_str()).collect();
        if !known.contains(&wanted.as_str()) {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let text = format!("drill {} has no finding `{wanted}`", drill.id);
            return Err(Failure::usage(text).help(format!("its findings: {known}")));
        }
    }
    let retested_by = match &args.retested_by {
        Some(wanted) => Some(catalogue.drill(wanted).await?.trusted()?.id.clone()),
        None => None,
    };
    let author = Author::signing(context, &catalogue, args.by)?;
    let now = Timestamp::now();
    let note = DrillNote {
        format: FormatVersion::CURRENT,
        id: PointId::new(now, rand::random()),
        cluster: evidence.cluster.clone(),
        drill: drill.id.clone(),
        at: now,
        by: author.borrowed().by.to_owned(),
        tool: ToolFacts::current(),
        finding: args.finding,
        action: sentence("--action", &args.action)?,
        owner: args.owner.as_deref().map(|owner| sentence("--owner", owner)).transpose()?,
        due: args.due.map(|date| date.to_string()),
        retested_by,
    };
    catalogue.note_drill(&note, author.borrowed()).await?;
    output::result(context.global.output, &note, || format!("Noted about {}: {}", note.drill, note.action))?;
    Ok(Exit::Done)
}
