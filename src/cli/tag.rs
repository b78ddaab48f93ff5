use super::{
    Exit,
    author::Author,
    context::{Context, Trust},
    failure::Failure,
    output,
};
use crate::point::{Family, Tag, TagFacts};
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeSet;

/// Puts tags on a recovery point, takes them off, or shows them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A tag is a word, `keep`, or a word with a value, `before=upgrade-1.36`. `lifeboat list --tag` finds it.

Examples:
  lifeboat tag latest before=upgrade-1.36
  lifeboat tag 20261123T084500Z-k3f9 keep --remove before=upgrade-1.36
  lifeboat tag latest                              # shows them")]
pub(super) struct Args {
    /// The recovery point: an id, the beginning of one, or `latest`
    #[arg(value_name = "ID")]
    id: String,
    /// Tags to put on it
    #[arg(value_name = "TAG")]
    add: Vec<Tag>,
    /// A tag to take off; may be given several times
    #[arg(long, value_name = "TAG")]
    remove: Vec<Tag>,
    /// Who does it [default: user@host]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let facts = TagFacts { add: args.add.into_iter().collect(), remove: args.remove.into_iter().collect() };
    if let Some(both) = facts.add.intersection(&facts.remove).next() {
        return Err(Failure::usage(format!("`{both}` cannot be put on and taken off at once")));
    }
    let catalogue = context.catalogue(&args.trust).await?;
    let id = catalogue.resolve(&args.id).await?;
    let mut standing = catalogue.standing(&id).await?;
    let has = |tag: &Tag| standing.tags.contains(tag.as_str());
    if facts.add.iter().any(|tag| !has(tag)) || facts.remove.iter().any(has) {
        let author = Author::signing(context, &catalogue, args.by)?;
        standing = catalogue.tag(&id, facts, author.borrowed(), Timestamp::now()).await?;
    }
    for doubt in standing.doubts.iter().filter(|doubt| doubt.family == Family::Tags) {
        tracing::warn!("this record is not believed: {doubt}");
    }
    let value = json!({"id": id, "tags": standing.tags});
    output::result(context.global.output, &value, || lines(&standing.tags))?;
    Ok(Exit::Done)
}

fn lines(tags: &BTreeSet<String>) -> String {
    match tags.is_empty() {
        true => "it has no tags".to_owned(),
        false => tags.iter().map(String::as_str).collect::<Vec<_>>().join("\n"),
    }
}
