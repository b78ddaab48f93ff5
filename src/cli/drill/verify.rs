use crate::{
    catalogue::{EVIDENCE, Signature},
    cli::{
        Exit,
        context::{Context, Keys, Trust},
        failure::Failure,
        output,
    },
};
use serde_json::json;

/// Checks that the evidence of a drill is what was signed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The signature over the evidence, and over each note, must be the expected key's (signing.publicKey, or --public-key). With an \
identity the sealed details are opened as well, and compared with the digest that the evidence names.

An auditor needs nothing of Lifeboat for it:
  minisign -Vm evidence.json -P RWQ…

Examples:
  lifeboat drill verify latest
  lifeboat drill verify 20261123 -i identity.txt --public-key lifeboat.pub")]
pub(in crate::cli) struct Args {
    /// The drill: an id, the beginning of one, or `latest`
    #[arg(value_name = "DRILL", default_value = "latest")]
    id: String,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let catalogue = context.catalogue(&args.trust).await?;
    if !catalogue.checks_signatures() {
        let text = "there is no public key to check the evidence with";
        return Err(Failure::usage(text).help("name one with --public-key, or in signing.publicKey"));
    }
    let drill = catalogue.drill(&args.id).await?;
    let mut lines: Vec<(bool, String, String)> = Vec::new();
    let said = |signature: &Signature| match signature {
        Signature::Holds => (true, "the signature holds".to_owned()),
        Signature::NotChecked => (false, "the signature was not checked".to_owned()),
        Signature::Bad(why) => (false, why.clone()),
    };
    let mut add = |what: String, (good, message): (bool, String)| lines.push((good, what, message));
    add(EVIDENCE.to_owned(), said(&drill.signature));
    match &drill.evidence {
        Ok(_) => add(EVIDENCE.to_owned(), (true, "it can be read, and belongs where it stands".to_owned())),
        Err(why) => add(EVIDENCE.to_owned(), (false, why.clone())),
    }
    for noted in catalogue.drill_notes(&drill.id).await? {
        let what = format!("note {}", noted.id);
        add(what.clone(), said(&noted.signature));
        if let Err(why) = noted.note {
            add(what, (false, why));
        }
    }
    if let (Ok(evidence), false) = (&drill.evidence, args.keys.given().is_empty())
        && let Some(details) = &evidence.details
    {
        let opened = catalogue.drill_details(evidence, args.keys.load()?).await;
        add(
            details.key.clone(),
            match opened {
                Ok(plain) => (true, format!("they open, and have {} bytes", plain.len())),
                Err(e) => (false, e.to_string()),
            },
        );
    }
    let good = lines.iter().all(|(good, ..)| *good);
    let findings: Vec<_> = lines
        .iter()
        .map(|(good, about, message)| json!({"ok": good, "about": about, "message": message}))
        .collect();
    let value = json!({"id": drill.id, "ok": good, "findings": findings});
    output::result(context.global.output, &value, || {
        let word = if good { "ok" } else { "NOT OK" };
        let mut text = format!("{}  {word}\n", drill.id);
        for (good, about, message) in &lines {
            text.push_str(&format!("  {:5}  {about}: {message}\n", if *good { "ok" } else { "error" }));
        }
        text
    })?;
    Ok(if good { Exit::Done } else { Exit::Verification })
}
