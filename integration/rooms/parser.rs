//! Reads a source file as far as the checks need it: its paths, without comments and strings.

use std::path::Path;

/// The module path of a file: `catalogue/verify.rs` is `catalogue`, `verify`.
pub(super) fn modules(file: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

/// A path as it stands in the source, with the name that a `use` gives to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourcePath {
    pub(super) segments: Vec<String>,
    pub(super) name: Option<String>,
}

/// The path from the crate's root, for one that stays in the crate.
pub(super) fn from_root(path: &[String], modules: &[String]) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" | "super" => {
            let up = path.iter().take_while(|segment| *segment == "super").count();
            let own = path.iter().take_while(|s| matches!(s.as_str(), "self" | "super")).count();
            let base = &modules[..modules.len().saturating_sub(up)];
            Some(base.iter().chain(&path[own..]).cloned().collect())
        }
        _ => None,
    }
}

/// Every path of two segments or more, `use` trees unfolded, and every module declared.
pub(super) fn paths(text: &str) -> Vec<SourcePath> {
    let tokens = tokens(&bare(text));
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let word = tokens[i].as_str();
        if word == "use" {
            i = use_tree(&tokens, i + 1, &[], &mut found);
        } else if word == "mod" && tokens.get(i + 1).is_some_and(|t| t.starts_with(is_word)) {
            let segments = vec!["self".to_owned(), tokens[i + 1].clone()];
            found.push(SourcePath { segments, name: Some(tokens[i + 1].clone()) });
            i += 2;
        } else if word.starts_with(is_word) {
            let mut segments = vec![word.to_owned()];
            i += 1;
            while tokens.get(i).is_some_and(|t| t == "::")
                && tokens.get(i + 1).is_some_and(|t| t.starts_with(is_word))
            {
                segments.push(tokens[i + 1].clone());
                i += 2;
            }
            if segments.len() > 1 {
                found.push(SourcePath { segments, name: None });
            }
        } else {
            i += 1;
        }
    }
    found
}

/// Unfolds the tree that begins at `i`, and gives the place behind it.
fn use_tree(tokens: &[String], mut i: usize, prefix: &[String], found: &mut Vec<SourcePath>) -> usize {
    let mut segments = prefix.to_vec();
    let mut name = None;
    while let Some(token) = tokens.get(i).map(String::as_str) {
        match token {
            "::" => i += 1,
            "{" => {
                i += 1;
                while tokens.get(i).is_some_and(|t| t != "}") {
                    if tokens[i] == "," {
                        i += 1;
                    } else {
                        i = use_tree(tokens, i, &segments, found);
                    }
                }
                return i + 1;
            }
            "as" => {
                name = tokens.get(i + 1).cloned();
                i += 2;
            }
            "," | "}" | ";" => break,
            _ => {
                segments.push(token.to_owned());
                i += 1;
            }
        }
    }
    // `use a::b::{self}` is `a::b`.
    if segments.len() > 1 && segments.last().is_some_and(|s| s == "self") {
        segments.pop();
    }
    if !segments.is_empty() {
        let name = name.or_else(|| segments.last().cloned());
        found.push(SourcePath { segments, name });
    }
    i
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Words, `::`, and every other character by itself.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let end = if is_word(c) {
            rest.find(|c: char| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            c.len_utf8()
        };
        found.push(rest[..end].trim_start_matches("r#").to_owned());
        rest = rest[end..].trim_start();
    }
    found
}

/// The source without comments, and with nothing in its strings and characters.
pub(super) fn bare(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let end = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(end) = raw_string(rest).filter(|_| !is_word(before)) {
            end
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' {
            // A lifetime has no closing quote right behind it.
            let mut chars = rest.chars().skip(1);
            match (chars.next(), chars.next()) {
                (Some('\\'), _) | (Some(_), Some('\'')) => quoted(rest, '\''),
                _ => 1,
            }
        } else {
            out.push(c);
            before = c;
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.push(' ');
        before = ' ';
        rest = &rest[end..];
    }
    out
}

/// The length of the block comment, which may hold others, that `text` begins with.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut i) = (0, 0);
    while i < text.len() {
        let tail = &text.as_bytes()[i..];
        if tail.starts_with(b"/*") {
            (depth, i) = (depth + 1, i + 2);
        } else if tail.starts_with(b"*/") {
            (depth, i) = (depth - 1, i + 2);
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    text.len()
}

/// The length of the raw string, if `text` begins with one.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].strip_prefix('"')?;
    let start = text.len() - after.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(text[start..].find(&close).map_or(text.len(), |at| start + at + close.len()))
}

/// The length of the string or character that `text` begins with.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return i + 1,
            _ => {}
        }
    }
    text.len()
}
