//! Tests of the room as a whole: good files, bad files, the template, the schema.

mod bad;
mod drill_spec;
mod golden;
mod good;
mod playbook;
mod restore_spec;
mod schema;
mod template;

use super::Config;
use std::path::Path;

const KEY: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
const OTHER_KEY: &str = "age1yubikey1q2w7u3vpya839jxxuq8g0sedh3d740d4xvn639sqhr95ejj8vu3hyfumptt";

fn parse(text: &str) -> Result<Config, super::ConfigError> {
    Config::parse(text, Path::new("f.yaml"))
}

/// A whole file, of the least that is needed and these lines.
fn with(lines: &str) -> String {
    format!(
        "apiVersion: lifeboat.dev/v1\nkind: Config\ncluster: c\nstores: [{{name: m, url: \"file:///s\"}}]\n{lines}"
    )
}

fn errors(text: &str) -> String {
    parse(text).expect_err("must not be accepted").to_string()
}
