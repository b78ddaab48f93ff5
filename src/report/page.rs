//! A page that stands alone: one style, no script, nothing fetched from anywhere. What is said becomes words of HTML, and nothing
//! else.

use ct_codecs::{Base64, Encoder};
use sha2::{Digest, Sha256};
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// A page that is being written.
pub(super) struct Page(String);

/// A column of a table.
#[derive(Clone, Copy)]
pub(super) struct Column {
    name: &'static str,
    class: &'static str,
}

/// A column of words.
pub(super) const fn words(name: &'static str) -> Column {
    Column { name, class: "words" }
}

/// A column of what must not be broken into lines, such as a date.
pub(super) const fn short(name: &'static str) -> Column {
    Column { name, class: "short" }
}

/// A column of digests.
pub(super) const fn sums(name: &'static str) -> Column {
    Column { name, class: "sum" }
}

impl Page {
    /// Its head: what it is about, and in one word what came of it. The header is still open.
    pub(super) fn begin(title: &str, class: &str, kind: &str, name: &str, verdict: &str) -> Self {
        Page::open("", title, class, kind, name, verdict)
    }

    /// The same for a page that is served and changes: its reader's browser asks for it again every minute.
    pub(super) fn live(title: &str, class: &str, kind: &str, name: &str, verdict: &str) -> Self {
        // Without an icon of its own, the browser would ask for one.
        let head = "<meta http-equiv=\"refresh\" content=\"60\"><link rel=\"icon\" href=\"data:,\">";
        Page::open(head, title, class, kind, name, verdict)
    }

    fn open(head: &str, title: &str, class: &str, kind: &str, name: &str, verdict: &str) -> Self {
        Page(format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, \
             initial-scale=1\">{head}<title>{}</title><style>{STYLE}</style></head><body><main>\n<header class=\"{class}\"><p class=\"kind\">{}</p>\
             <h1>{}</h1><p class=\"verdict\">{}</p>",
            escaped(title),
            escaped(kind),
            escaped(name),
            escaped(verdict),
        ))
    }

    /// All of it.
    pub(super) fn finish(mut self) -> String {
        self.raw("</main></body></html>\n");
        self.0
    }

    /// What is HTML already.
    pub(super) fn raw(&mut self, html: &str) {
        self.0.push_str(html);
    }

    pub(super) fn section(&mut self, title: &str) {
        let _ = write!(self.0, "<section><h2>{title}</h2>");
    }

    pub(super) fn end(&mut self) {
        self.raw("</section>\n");
    }

    /// Items that are HTML already.
    pub(super) fn list(&mut self, items: impl Iterator<Item = String>) {
        self.raw("<ul>");
        for item in items {
            let _ = write!(self.0, "<li>{item}</li>");
        }
        self.raw("</ul>");
    }

    /// A table; where there is no room for its columns, each row becomes a list of its cells.
    pub(super) fn table(
        &mut self,
        caption: &str,
        columns: &[Column],
        rows: impl Iterator<Item = Vec<String>>,
    ) {
        self.table_of("stack", caption, columns, rows);
    }

    /// A table whose cells are so short that it is one everywhere.
    pub(super) fn figures(
        &mut self,
        caption: &str,
        columns: &[Column],
        rows: impl Iterator<Item = Vec<String>>,
    ) {
        self.table_of("times", caption, columns, rows);
    }

    fn table_of(
        &mut self,
        class: &str,
        caption: &str,
        columns: &[Column],
        rows: impl Iterator<Item = Vec<String>>,
    ) {
        let _ = write!(self.0, "<table class=\"{class}\"><caption>{caption}</caption><thead><tr>");
        for Column { name, class } in columns {
            let _ = write!(self.0, "<th scope=\"col\" class=\"{class}\">{name}</th>");
        }
        self.raw("</tr></thead><tbody>");
        for row in rows {
            self.raw("<tr>");
            for (Column { name, class }, cell) in columns.iter().zip(row) {
                let cell = told(&cell);
                let _ = write!(self.0, "<td class=\"{class}\" data-label=\"{name}: \">{cell}</td>");
            }
            self.raw("</tr>");
        }
        self.raw("</tbody></table>");
    }

    pub(super) fn facts(&mut self, caption: &str, rows: &[[String; 2]]) {
        let _ = write!(self.0, "<table class=\"facts\"><caption>{caption}</caption><tbody>");
        for [name, value] in rows {
            let (name, value) = (told(name), told(value));
            let _ = write!(self.0, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
        }
        self.raw("</tbody></table>");
    }
}

/// What a browser is to obey when it is served a page, as a Content-Security-Policy: this style, an icon that is none, and nothing else.
pub fn policy() -> String {
    let style = Base64::encode_to_string(Sha256::digest(STYLE)).unwrap_or_default();
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// Text that HTML takes for nothing but text, also within quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The same; what stands between backticks is shown as code, and a long name may be broken at its dots and slashes.
pub(super) fn told(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, (code, after))) =
        rest.split_once('`').and_then(|(before, after)| Some((before, after.split_once('`')?)))
    {
        let _ = write!(out, "{}<code>{}</code>", breakable(before), breakable(code));
        rest = after;
    }
    out + &breakable(rest)
}

/// No word is longer: what is, is a name.
const LONGEST_WORD: usize = 20;

fn breakable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(' ') {
        if word.chars().count() <= LONGEST_WORD {
            out.push_str(&escaped(word));
            continue;
        }
        let mut parts = word.split_inclusive(['.', '/', ':', '_', '@', ',']).peekable();
        while let Some(part) = parts.next() {
            out.push_str(&escaped(part));
            if parts.peek().is_some_and(|next| *next != " ") {
                out.push_str("<wbr>");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_what_stands_between_two_backticks() {
        for (text, html) in [
            ("the check `a<b`: no", "the check <code>a&lt;b</code>: no"),
            ("`a` and `b", "<code>a</code> and `b"),
            ("'x' & \"y\"", "&#39;x&#39; &amp; &quot;y&quot;"),
            ("", ""),
        ] {
            assert_eq!(told(text), html);
        }
    }

    #[test]
    fn long_names_can_be_broken_and_short_words_cannot() {
        assert_eq!(
            told("3 flowschemas.flowcontrol.apiserver.k8s.io: see 1.2.3"),
            "3 flowschemas.<wbr>flowcontrol.<wbr>apiserver.<wbr>k8s.<wbr>io: see 1.2.3"
        );
    }
}
