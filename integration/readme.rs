//! What README.md, the demo and the help texts tell people to type is what the program accepts.

use std::path::Path;
use std::process::Command;
use std::{fs, iter};

/// Stands for every recipient that a text leaves open.
const RECIPIENT: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

#[test]
fn the_readme_s_commands_are_accepted() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let commands: Vec<_> = code(&text).iter().flat_map(|line| commands(line)).collect();
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
fn the_help_s_examples_are_accepted() {
    let program = help(&[]);
    let names = |text: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|line| *line != "Commands:").skip(1);
        lines
            .take_while(|line| line.starts_with("  "))
            .filter(|line| !line.starts_with("   "))
            .map(|line| line.split_whitespace().next().unwrap_or_default().to_owned())
            .collect()
    };
    let mut pages = vec![program.clone()];
    for name in names(&program) {
        let page = help(&[&name]);
        pages.extend(names(&page).iter().map(|below| help(&[&name, below])));
        pages.push(page);
    }
    assert!(pages.len() > 10, "{} pages", pages.len());
    let commands: Vec<_> =
        pages.iter().flat_map(|page| joined(page)).flat_map(|line| commands(&line)).collect();
    assert!(commands.len() > 20, "{commands:?}");
    accepted(&commands);
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

fn lifeboat(args: &[&str]) -> (bool, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_lifeboat")).args(args).env("COLUMNS", "80").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

fn help(command: &[&str]) -> String {
    let (ok, page, complaint) = lifeboat(&[command, &["--help"]].concat());
    assert!(ok, "{command:?}: {complaint}");
    page
}

#[track_caller]
fn accepted(commands: &[Vec<String>]) {
    let wrong: Vec<String> = commands.iter().filter_map(|command| refused(command)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What the program's own parser has against these arguments: `--help` behind them has it parse them and do nothing.
fn refused(args: &[String]) -> Option<String> {
    let args: Vec<&str> = args.iter().map(String::as_str).chain(iter::once("--help")).collect();
    let (ok, _, complaint) = lifeboat(&args);
    (!ok).then(|| format!("lifeboat {}\n{complaint}", args[..args.len() - 1].join(" ")))
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
