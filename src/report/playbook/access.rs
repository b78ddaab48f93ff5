//! Who could do what before a run, and after it.

use super::super::{
    change::{one_field, side},
    page::{Page, told, words},
};
use crate::{
    compare::{Became, Change, Side},
    object::plain,
    playbook::plan::MANAGER,
};
use std::fmt::Write;

/// What changed around a run of who may do what, by two recovery points.
#[derive(Debug, Default)]
pub struct AccessPeriod {
    /// The older recovery point and the newer one, if there were two that could be compared.
    pub between: Option<(Side, Side)>,
    /// What should be known of the comparison, or why there is none.
    pub remarks: Vec<String>,
    /// What changed.
    pub changes: Vec<AccessChange>,
}

/// Something that changed.
#[derive(Debug)]
pub struct AccessChange {
    /// What.
    pub change: Change,
    /// The steps of the run that wrote the object, or may have.
    pub steps: Vec<String>,
}

impl AccessChange {
    fn what(&self) -> String {
        let Change { became, kind, namespace, name, .. } = &self.change;
        let word = match became {
            Became::Added => "added",
            Became::Removed => "removed",
            Became::Changed => "changed",
            Became::Recreated => "removed and made again",
        };
        let place = namespace.as_ref().map(|it| format!("{it}/")).unwrap_or_default();
        format!("{word}: {kind} {place}{}", plain(name).replace('`', "'"))
    }

    fn who(&self) -> String {
        let run = match self.steps.as_slice() {
            [] => None,
            steps => Some(format!("this run (step {})", steps.join(", "))),
        };
        // Beside the run's own name stands only somebody else's.
        let other = self.change.by.as_ref().filter(|by| run.is_none() || by.manager != MANAGER);
        let other = other.map(|by| format!("{} at {:.0}", plain(&by.manager), by.time));
        match (run, other) {
            (Some(run), Some(other)) => format!("{run}; last written by {other}"),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => "not known".to_owned(),
        }
    }

    /// What it means, and what it was before and after.
    fn details(&self) -> Vec<String> {
        let said = self.change.says.iter().map(|said| {
            let mark = if said.danger.is_empty() { "" } else { "! " };
            let why = said.danger.iter().map(|why| format!(" ({})", plain(why))).collect::<String>();
            format!("{mark}{}{why}", plain(&said.text))
        });
        let fields = self.change.fields.iter().map(|field| one_field(field).trim().to_owned());
        said.chain(fields).map(|text| text.replace('`', "'")).collect()
    }
}

impl AccessPeriod {
    fn compared(&self) -> String {
        match &self.between {
            None => String::new(),
            Some((before, after)) => {
                let found = if self.changes.is_empty() { "; nothing changed" } else { "" };
                format!("Compared: {} and {}{found}.", side(before), side(after))
            }
        }
    }

    /// As a section of a timeline; `cell` makes text fit for a table.
    pub(super) fn markdown(&self, out: &mut String, cell: &dyn Fn(&str) -> String) {
        out.push_str("\n## Who may do what: changes around the run\n\n");
        if self.between.is_some() {
            let _ = writeln!(out, "{}\n", self.compared());
        }
        for remark in &self.remarks {
            let _ = writeln!(out, "- {}", cell(&plain(remark)));
        }
        if self.changes.is_empty() {
            return;
        }
        if !self.remarks.is_empty() {
            out.push('\n');
        }
        out.push_str("| What | Who | Before and after |\n|---|---|---|\n");
        for change in &self.changes {
            let details: Vec<String> = change.details().iter().map(|it| format!("`{}`", cell(it))).collect();
            let (what, who) = (cell(&change.what()), cell(&change.who()));
            let _ = writeln!(out, "| {what} | {who} | {} |", details.join("<br>"));
        }
    }

    /// The same on a page.
    pub(super) fn html(&self, page: &mut Page) {
        page.section("Who may do what: changes around the run");
        let compared = Some(self.compared()).filter(|it| !it.is_empty());
        page.list(compared.iter().chain(&self.remarks).map(|it| told(&plain(it))));
        let rows = self.changes.iter().map(|it| vec![it.what(), it.who(), it.details().join("; ")]);
        if !self.changes.is_empty() {
            page.table(
                "By the two recovery points",
                &[words("What"), words("Who"), words("Before and after")],
                rows,
            );
        }
        page.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{TypeName, Writer, diff};
    use jiff::Timestamp;
    use serde_json::json;

    fn change(manager: &str, steps: &[&str]) -> AccessChange {
        let (old, new) = (json!({"subjects": [{"name": "a|<b>`"}]}), json!({}));
        let change = Change {
            became: Became::Changed,
            kind: TypeName::new("rbac.authorization.k8s.io", "rolebindings"),
            namespace: Some("shop".into()),
            name: "crew".into(),
            uid_before: None,
            uid_after: None,
            by: Some(Writer {
                manager: manager.into(),
                operation: "Update".into(),
                time: Timestamp::UNIX_EPOCH,
            }),
            fields: diff(&old, &new),
            says: Vec::new(),
        };
        AccessChange { change, steps: steps.iter().map(|it| (*it).to_owned()).collect() }
    }

    #[test]
    fn the_runs_own_work_is_told_apart_from_that_of_others() {
        assert_eq!(change(MANAGER, &["cut"]).who(), "this run (step cut)");
        let both = change("kubectl-edit", &["cut"]).who();
        assert_eq!(both, "this run (step cut); last written by kubectl-edit at 1970-01-01T00:00:00Z");
        assert_eq!(change("kubectl-edit", &[]).who(), "kubectl-edit at 1970-01-01T00:00:00Z");
        // Another run of this program is somebody else.
        assert_eq!(change(MANAGER, &[]).who(), format!("{MANAGER} at 1970-01-01T00:00:00Z"));
    }

    #[test]
    fn names_of_others_stay_in_their_cells() {
        let period = AccessPeriod {
            remarks: vec!["one\u{1b}[2J".into()],
            changes: vec![change("x|y", &[])],
            ..AccessPeriod::default()
        };
        let mut out = String::new();
        period.markdown(&mut out, &|text| text.replace('|', "\\|").replace('<', "&lt;"));
        let row = out.lines().last().unwrap();
        assert_eq!(row.replace("\\|", "").matches('|').count(), 4, "{row}");
        assert!(!row.contains("<b>") && row.contains("subjects") && !out.contains('\u{1b}'), "{out}");
        let mut page = Page::begin("t", "good", "k", "n", "v");
        period.html(&mut page);
        let html = page.finish();
        assert!(!html.contains("<b>") && html.contains("rolebindings"), "{html}");
    }
}
