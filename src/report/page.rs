//! A page that stands alone: one style, no script, nothing fetched from anywhere.

use std::fmt::Write;

const STYLE: &str = include_str!("drill/page.css");

/// A page that is being written.
pub(super) struct Page(pub(super) String);

impl Page {
    /// Its head: what it is about, and in one word what came of it. The header is still open.
    pub(super) fn begin(title: &str, class: &str, kind: &str, name: &str, verdict: &str) -> Self {
        Page(format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, \
             initial-scale=1\"><title>{}</title><style>{STYLE}</style></head><body><main>\n<header class=\"{class}\"><p class=\"kind\">{}</p>\
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

    pub(super) fn table(&mut self, caption: &str, header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        let _ = write!(self.0, "<div class=\"scroll\"><table><caption>{caption}</caption><thead><tr>");
        for name in header {
            let _ = write!(self.0, "<th scope=\"col\">{name}</th>");
        }
        self.raw("</tr></thead><tbody>");
        for row in rows {
            self.raw("<tr>");
            for cell in row {
                let _ = write!(self.0, "<td>{}</td>", escaped(&cell));
            }
            self.raw("</tr>");
        }
        self.raw("</tbody></table></div>");
    }

    pub(super) fn facts(&mut self, caption: &str, rows: &[[String; 2]]) {
        let _ = write!(
            self.0,
            "<div class=\"scroll\"><table class=\"facts\"><caption>{caption}</caption><tbody>"
        );
        for [name, value] in rows {
            let _ = write!(
                self.0,
                "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
                escaped(name),
                escaped(value)
            );
        }
        self.raw("</tbody></table></div>");
    }
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
