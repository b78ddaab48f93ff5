//! What a file has against the plan, one line each.

use super::parser::{bare, from_root, is_word, modules, paths};
use super::plan::{CONFINED, LINES, ROOMS, SPAWNS, VAGUE};
use std::collections::BTreeSet;
use std::path::Path;

pub(super) fn imports_wrong(file: &Path, text: &str) -> Vec<String> {
    let modules = modules(file);
    let Some(room) = modules.first().map(String::as_str) else { return Vec::new() };
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![format!("src/{}: `{room}` is no room of the plan", file.display())];
    };
    let imported: BTreeSet<String> =
        paths(text).iter().filter_map(|path| from_root(&path.segments, &modules)?.first().cloned()).collect();
    imported
        .iter()
        .filter(|other| ROOMS.iter().any(|(name, _)| name == other))
        .filter(|other| *other != room && !allowed.contains(&other.as_str()))
        .map(|other| format!("src/{}: `{room}` must not import `{other}`", file.display()))
        .collect()
}

pub(super) fn vendors_wrong(file: &Path, text: &str) -> Vec<String> {
    let paths = paths(text);
    // Names that a `use` or a `mod` gives to something of our own.
    let ours: BTreeSet<&str> = paths
        .iter()
        .filter(|path| matches!(path.segments[0].as_str(), "crate" | "self" | "super"))
        .filter_map(|path| path.name.as_deref())
        .collect();
    let inside = |place: &&str| file.starts_with(place);
    let crates: BTreeSet<&str> = paths
        .iter()
        .map(|path| path.segments[0].as_str())
        .filter(|name| !ours.contains(name))
        .filter(|name| {
            CONFINED.iter().any(|(confined, places)| confined == name && !places.iter().any(&inside))
        })
        .collect();
    crates
        .iter()
        .map(|name| {
            let places = CONFINED.iter().find(|(n, _)| n == name).map(|(_, p)| p.join(", "));
            format!("src/{}: `{name}` is used only in {}", file.display(), places.unwrap_or_default())
        })
        .collect()
}

pub(super) fn spawns_wrong(file: &Path, text: &str) -> Vec<String> {
    let starts = paths(text)
        .iter()
        .any(|p| p.segments.windows(2).any(|w| w[0] == "process" && (w[1] == "Command" || w[1] == "*")));
    match starts && !SPAWNS.iter().any(|allowed| file == Path::new(allowed)) {
        true => vec![format!("src/{}: only {} start programs", file.display(), SPAWNS.join(" and "))],
        false => Vec::new(),
    }
}

pub(super) fn form_wrong(file: &Path, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut say = |what: String| wrong.push(format!("src/{}: {what}", file.display()));
    let lines = text.lines().count();
    if lines > LINES {
        say(format!("{lines} lines, and {LINES} are the most: divide it by what it does"));
    }
    if (file.ends_with("mod.rs") || file.components().count() == 1) && !text.starts_with("//! ") {
        say("it does not begin with what it is (`//! …`)".to_owned());
    }
    let bare = bare(text);
    let words: Vec<&str> = bare.split(|c: char| !is_word(c)).filter(|word| !word.is_empty()).collect();
    let inline = words.windows(2).filter(|w| w[0] == "mod").map(|w| w[1].to_owned());
    for name in modules(file).into_iter().chain(inline) {
        if VAGUE.contains(&name.as_str()) {
            say(format!("a module called `{name}` says nothing of what is in it"));
        }
    }
    wrong
}
