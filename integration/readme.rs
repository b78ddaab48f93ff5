//! What README.md and the demo tell people to type is what the program accepts.

use std::path::Path;
use std::{fs, iter};

/// Stands for every recipient that a text leaves open.
const RECIPIENT: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

#[test]
fn the_readme_s_commands_are_accepted() {
    let texts = ["README.md", "deploy/README.md", "deploy/monitoring/alerts.md"]
        .map(|name| fs::read_to_string(root().join(name)).unwrap());
    let commands: Vec<_> = code(&texts.join("\n")).iter().flat_map(|line| commands(line)).collect();
    assert!(commands.len() > 20, "{commands:?}");
    accepted(&commands);
}

#[test]
fn the_demo_s_commands_are_accepted() {
    let text = fs::read_to_string(root().join("scripts/demo")).unwrap();
    let commands: Vec<_> = joined(&text).iter().flat_map(|line| commands(line)).collect();
    assert!(commands.len() > 10, "{commands:?}");
    accepted(&commands);
}

#[test]
fn examples_fit_a_terminal() {
    fn walk(command: &clap::Command) -> Vec<String> {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples = help.lines().skip_while(|line| !line.starts_with("Example"));
        let long = examples.filter(|line| line.chars().count() > 80);
        long.map(str::to_owned).chain(command.get_subcommands().flat_map(walk)).collect()
    }
    let long = walk(&lifeboat::cli::command());
    assert!(long.is_empty(), "these would be broken into two lines:\n{}", long.join("\n"));
}

#[test]
fn the_readme_s_configuration_is_read() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let configs: Vec<&str> = text
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|block| block.contains("kind: Config"))
        .collect();
    assert_eq!(configs.len(), 1);
    lifeboat::config::Config::parse(configs[0], Path::new("README.md")).unwrap();
    let stores = text
        .split("```yaml\n")
        .filter_map(|rest| rest.split("```").next())
        .find(|b| b.starts_with("stores:"));
    let whole = format!("apiVersion: lifeboat.dev/v1\nkind: Config\ncluster: c\n{}", stores.unwrap());
    lifeboat::config::Config::parse(&whole, Path::new("README.md")).unwrap();
    for section in ["retention:", "schedules:"] {
        let block = text.split("```yaml\n").find(|block| block.starts_with(section)).unwrap();
        let block = block.split("```").next().unwrap();
        let whole = format!(
            "apiVersion: lifeboat.dev/v1\nkind: Config\ncluster: c\nstores: [{{name: m, url: \"file:///s\"}}]\n{block}"
        );
        lifeboat::config::Config::parse(&whole, Path::new("README.md")).unwrap();
    }
}

#[test]
fn the_readme_s_restore_specification_is_read() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let spec = text.split("```yaml\n").find(|block| block.starts_with("select:")).unwrap();
    let spec = spec.split("```").next().unwrap();
    let spec = lifeboat::config::RestoreSpec::parse(spec, Path::new("README.md")).unwrap();
    assert!(spec.modifiers.len() == 2 && spec.select.deleted_since.is_some());
}

#[test]
fn the_readme_s_playbook_and_its_approvers_are_read() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let blocks: Vec<&str> =
        text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let playbooks: Vec<&&str> = blocks.iter().filter(|block| block.contains("kind: Playbook")).collect();
    assert!(!playbooks.is_empty());
    for playbook in playbooks {
        lifeboat::config::PlaybookFile::parse(playbook, Path::new("README.md")).unwrap();
    }
    let section = blocks.iter().find(|block| block.starts_with("playbooks:")).unwrap();
    let whole = format!(
        "apiVersion: lifeboat.dev/v1\nkind: Config\ncluster: c\nstores: [{{name: m, url: \"file:///s\"}}]\n{section}"
    );
    let config = lifeboat::config::Config::parse(&whole, Path::new("README.md")).unwrap();
    assert_eq!(config.playbooks.approvers.len(), 1);
}

#[test]
fn a_wrong_command_is_noticed() {
    assert!(refused(&commands("lifeboat backup --etcd-only | cat")[0]).is_none());
    for wrong in
        ["lifeboat backup --etcd", "lifeboat backups", "lifeboat show latest more", "lifeboat list -x"]
    {
        assert!(refused(&commands(wrong)[0]).is_some(), "{wrong}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn accepted(commands: &[Vec<String>]) {
    let wrong: Vec<String> = commands.iter().filter_map(|command| refused(command)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What the program's own parser has against these arguments: `--help` behind them lets what is required be missing.
fn refused(args: &[String]) -> Option<String> {
    let all = iter::once("lifeboat").chain(args.iter().map(String::as_str)).chain(iter::once("--help"));
    let error = lifeboat::cli::command().try_get_matches_from(all).err()?;
    let help = error.kind() == clap::error::ErrorKind::DisplayHelp;
    (!help).then(|| format!("lifeboat {}\n{error}", args.join(" ")))
}

/// The lines of the shell in the code blocks, and the code in the text.
fn code(markdown: &str) -> Vec<String> {
    let (mut blocks, mut spans, mut fence) = (String::new(), Vec::new(), None);
    for line in markdown.lines() {
        match (line.trim().strip_prefix("```"), fence) {
            (Some(language), None) => fence = Some(language.starts_with("sh")),
            (Some(_), Some(_)) => fence = None,
            (None, Some(true)) => blocks.extend([line, "\n"]),
            (None, Some(false)) => {}
            (None, None) => spans.extend(line.split('`').skip(1).step_by(2).map(str::to_owned)),
        }
    }
    // A span that only names the program, or leaves out what to fill in, is no command.
    spans.retain(|span| span.starts_with("lifeboat ") && !span.contains('…'));
    joined(&blocks).into_iter().chain(spans).collect()
}

/// The lines of a script, with those joined that end in a backslash.
fn joined(text: &str) -> Vec<String> {
    text.replace("\\\n", " ").lines().map(str::to_owned).collect()
}

/// The arguments of every `lifeboat` that a line of shell runs.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for command in words(line).split(|word| matches!(word.as_str(), "|" | ";" | "&&" | "||" | "&")) {
        let skipped = command.iter().take_while(|w| matches!(w.as_str(), "run" | "sudo" | "$")).count();
        let mut rest = command[skipped..].iter();
        if rest.next().is_some_and(|word| word == "lifeboat") {
            found.push(
                rest.take_while(|w| !matches!(w.as_str(), ">" | "<" | ">>")).map(|w| filled(w)).collect(),
            );
        }
    }
    found
}

/// A word with something in the place of what a shell or a reader would put there.
fn filled(word: &str) -> String {
    if word.contains("endpoints") && word.contains("$(") {
        "https://127.0.0.1:2379".to_owned()
    } else {
        word.replace("age1…", RECIPIENT)
    }
}

/// Splits as a shell does, as far as the texts here need it; `$(…)` stays in one piece.
fn words(line: &str) -> Vec<String> {
    let (mut found, mut word, mut begun) = (Vec::new(), String::new(), false);
    let (mut quote, mut depth) = (None, 0);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            (c, Some(_)) => word.push(c),
            ('\'' | '"', None) => (quote, begun) = (Some(c), true),
            ('#', None) if !begun && word.is_empty() => break,
            (' ' | '\t', None) if depth == 0 => {
                if begun || !word.is_empty() {
                    found.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (c, None) => {
                depth += i32::from(c == '(') - i32::from(c == ')');
                word.push(c);
            }
        }
    }
    if begun || !word.is_empty() {
        found.push(word);
    }
    found
}
