use super::table;
use crate::catalogue::{Level, Verdict};

/// What was found about recovery points. With `all` also what is well.
pub fn verdicts(verdicts: &[Verdict], all: bool) -> String {
    if verdicts.is_empty() {
        return "there is nothing to verify".to_owned();
    }
    let mut out = Vec::new();
    for verdict in verdicts {
        let word = match verdict.worst() {
            Level::Ok | Level::Info => "ok",
            Level::Warning => "ok, with warnings",
            Level::Error => "NOT OK",
        };
        out.push(format!("{}  {word}", verdict.id));
        let shown = verdict.findings.iter().filter(|f| all || f.level > Level::Ok);
        let rows: Vec<_> =
            shown.map(|f| vec![format!("  {}", f.level), f.about.clone(), f.message.clone()]).collect();
        if !rows.is_empty() {
            let text = table(&["", "", ""], rows);
            out.extend(text.lines().skip(1).map(str::to_owned));
        }
    }
    out.join("\n")
}
