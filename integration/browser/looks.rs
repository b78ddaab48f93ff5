//! How a page looks to who reads it, measured in the page itself.

use super::Browser;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// Functions of the page that look at it.
const LOOKS: &str = include_str!("looks.js");

/// Strings of a list.
fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|it| super::text(it).to_owned()).collect()
}

impl Browser {
    /// What is wrong with how the page looks now, at this size: text that is cut, covered, too small, too faint (a contrast below
    /// 4.5, as WCAG 2 measures it), not shown at all, or a page that is wider than the window.
    pub async fn faults(&self) -> Result<Vec<String>> {
        let found = self.script(&format!("{LOOKS}\nreturn faults()"), json!([])).await?;
        ensure!(found["looked"].as_u64().is_some_and(|n| n > 0), "there is no text on the page");
        Ok(texts(&found["faults"]))
    }

    /// Those of the texts that a reader does not find on the page, even by scrolling.
    pub async fn unseen(&self, wanted: &[String]) -> Result<Vec<String>> {
        let script = format!("{LOOKS}\nreturn unseen(arguments[0])");
        Ok(texts(&self.script(&script, json!([wanted])).await?))
    }
}
