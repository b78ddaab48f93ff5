//! What the program says of itself is true: examples, completions, manual pages.

use crate::saved::saved;
use anyhow::Result;
use clap::Command;
use std::process;

/// Every command that can be run, with the words that lead to it.
fn leaves(command: &Command, path: &[String]) -> Vec<(Vec<String>, Command)> {
    let below = |c: &Command| leaves(c, &[path, &[c.get_name().to_owned()]].concat());
    let found: Vec<_> = command.get_subcommands().flat_map(below).collect();
    if found.is_empty() { vec![(path.to_vec(), command.clone())] } else { found }
}

/// The commands among the lines of a text that begin with `  lifeboat `, up to a pipe, a redirection or a comment.
fn examples(text: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().filter(|line| line.starts_with("  lifeboat "));
    let words = |line: &str| -> Vec<String> {
        let words = line.split_whitespace().map(str::to_owned);
        words.take_while(|word| !["|", ">", "#", "&&"].contains(&word.as_str())).collect()
    };
    lines.map(words).collect()
}

#[test]
fn every_example_is_accepted_and_every_command_has_one() {
    let root = lifeboat::cli::command();
    let mut texts = vec![(vec!["lifeboat".to_owned()], root.clone())];
    texts.extend(leaves(&root, &[]));
    for (path, command) in texts {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let found = examples(&help);
        assert!(!found.is_empty(), "{path:?} has no example");
        for example in found {
            let parsed = root.clone().try_get_matches_from(&example);
            assert!(parsed.is_ok(), "{example:?}: {}", parsed.unwrap_err());
            assert!(
                path[0] == "lifeboat" || example[1..].starts_with(&path),
                "{example:?} is not of {path:?}"
            );
        }
    }
}

#[tokio::test]
async fn help_manual_and_version_are_printed() -> Result<()> {
    let saved = saved().await?;
    for (path, command) in leaves(&lifeboat::cli::command(), &[]) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let about = command.get_about().unwrap().to_string();
        let help = saved.run(&[&path[..], &["--help"]].concat()).await.expect(0).stdout;
        assert!(help.contains(&about) && help.contains("Usage: lifeboat"), "{help}");
        let page = saved.run(&[&["man"], &path[..]].concat()).await.expect(0).stdout;
        assert!(page.contains(".TH ") && page.contains(".SH SYNOPSIS"), "{page}");
        let plain = page.replace("\\-", "-").replace("\\*(Aq", "'");
        assert!(plain.contains(&about), "{page}");
    }
    let page = saved.run(&["man"]).await.expect(0).stdout;
    assert!(page.contains(".TH lifeboat 1"), "{page}");
    saved.run(&["man", "no-such-command"]).await.expect(2).says("there is no command `no-such-command`");
    let version = saved.run(&["--version"]).await.expect(0).stdout;
    assert_eq!(version, format!("lifeboat {}\n", env!("CARGO_PKG_VERSION")));
    Ok(())
}

#[tokio::test]
async fn completions_are_scripts_of_their_shell() -> Result<()> {
    let saved = saved().await?;
    for (shell, words) in
        [("bash", "complete -F"), ("zsh", "#compdef lifeboat"), ("fish", "complete -c lifeboat")]
    {
        let script = saved.run(&["completions", shell]).await.expect(0).stdout;
        assert!(
            script.contains(words) && script.contains("restore") && script.contains("identity"),
            "{script}"
        );
        std::fs::write(saved.dir().join(shell), script)?;
    }
    let bash = process::Command::new("bash").arg("-n").arg(saved.dir().join("bash")).output()?;
    assert!(bash.status.success() && bash.stderr.is_empty(), "{bash:?}");
    saved.run(&["completions", "cmd.exe"]).await.expect(2);
    Ok(())
}
