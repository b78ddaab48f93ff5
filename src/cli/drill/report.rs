use crate::{
    catalogue::EVIDENCE,
    cli::{
        Exit,
        context::{Context, Trust},
        failure::Failure,
        output,
    },
    report,
};
use clap::ValueEnum;
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// Writes a drill's report, for people who were not there
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The page needs no network and no script, prints well, and tells at its end how its evidence is verified. Evidence whose signature \
fails is not reported.

Examples:
  lifeboat drill report latest --to drill.html
  lifeboat drill report latest --format markdown")]
pub(in crate::cli) struct Args {
    /// The drill: an id, the beginning of one, or `latest`
    #[arg(value_name = "DRILL", default_value = "latest")]
    id: String,
    /// In which form [default: by the name of the file, else markdown]
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// Where to: a file that does not exist yet, or - for standard output
    #[arg(long, value_name = "PATH|-", default_value = "-")]
    to: PathBuf,
    #[command(flatten)]
    trust: Trust,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For a ticket, or a repository
    Markdown,
    /// One page that stands alone
    Html,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let catalogue = context.catalogue(&args.trust).await?;
    let drill = catalogue.drill(&args.id).await?;
    let evidence = drill.trusted()?;
    let mut notes = Vec::new();
    for noted in catalogue.drill_notes(&drill.id).await? {
        match noted.trusted() {
            Ok(note) => notes.push(note.clone()),
            Err(e) => tracing::warn!("a note is left out: {e}"),
        }
    }
    let public_key =
        context.optional()?.and_then(|it| it.config.signing.as_ref().map(|s| s.public_key.to_string()));
    let key = public_key.unwrap_or_else(|| "RWQ…".to_owned());
    let how = report::HowToVerify {
        place: format!("{}/{}/drills/{}/", catalogue.store_url(), catalogue.cluster(), drill.id),
        command: format!("minisign -Vm {EVIDENCE} -P {key}"),
        comment: catalogue.drill_comment(&drill.id),
    };
    let by_name = args.to.extension().is_some_and(|it| it == "html" || it == "htm");
    let html = args.format.map_or(by_name, |form| form == Form::Html);
    let text = match html {
        true => report::drill_html(evidence, &notes, &how),
        false => report::drill_markdown(evidence, &notes, &how),
    };
    if args.to == Path::new("-") {
        output::bytes(text.as_bytes())?;
        return Ok(Exit::Done);
    }
    let mut file = output::beside(&args.to)?;
    file.write_all(text.as_bytes())?;
    output::put(file, &args.to)?;
    Ok(Exit::Done)
}
