//! What makes an object of one cluster fit for another, and what stays behind.
//!
//! ```text
//!   left_out, made_again ─▶ clean ─▶ (rewrite) ─▶ carry_over ─▶ PUT, where the object is there already
//!     is it brought back?     └── takes out what a server or a controller wrote    └── and puts that of the live one back
//! ```

mod carry;
mod left_out;
mod owner;
mod rules;

#[cfg(test)]
mod cases;

pub use carry::carry_over;
pub use left_out::left_out;
pub use owner::{Owner, made_again, owners};
pub use rules::{Keep, clean};

/// Maps whose fields are named by those who write them. One that is empty says the same as none.
const FREE_MAPS: &[&str] = &["annotations", "labels", "data"];

const SERVICE_ACCOUNT_TOKEN: &str = "kubernetes.io/service-account-token";
