use super::{
    Exit,
    context::{Context, Keys, Trust},
    failure::Failure,
    output,
    progress::Spinner,
    since::since,
};
use crate::{
    compare::{Find, find},
    report,
};
use jiff::Timestamp;

/// Tells in which recovery points an object is, and when it changed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Only the indexes of the exports are read. Points one after another in which the object is the same, to the byte, are one \
line; `changed` may mean its status too. KIND is written as for kubectl: plural, singular, short name, with or without the \
group. NAME may have the wildcards * and ?.

Examples:
  lifeboat find configmap/settings -n shop -i identity.txt
  lifeboat find deploy/web -i identity.txt --since 7d
  lifeboat find orders.shop.example.com/order-* -i identity.txt -o json")]
pub(super) struct Args {
    /// What to look for
    #[arg(value_name = "KIND/NAME")]
    what: String,
    /// In this namespace only; wildcards are allowed
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// Only in recovery points since then: 7d, 36h, 2026-11-20, 2026-11-20T08:00:00Z
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let (kind, name) =
        args.what.split_once('/').filter(|(kind, name)| !kind.is_empty() && !name.is_empty()).ok_or_else(
            || {
                Failure::usage(format!(
                    "`{}` is not of the form KIND/NAME, such as configmap/settings",
                    args.what
                ))
            },
        )?;
    let what = Find {
        kind: kind.to_owned(),
        name: name.to_owned(),
        namespace: args.namespace.clone(),
        since: args.since.as_deref().map(|text| since(text, Timestamp::now())).transpose()?,
    };
    let identities = args.keys.load()?;
    let catalogue = context.catalogue(&args.trust).await?;
    let shown = Spinner::start(&context.global, "searching");
    let found = find(&catalogue, identities, &what).await?;
    drop(shown);
    output::result(context.global.output, &found, || report::found(&found))?;
    match found.trouble {
        // What could be searched was shown; what could not is no success.
        Some(trouble) => Ok(Failure::from(trouble).exit),
        None => Ok(Exit::Done),
    }
}
