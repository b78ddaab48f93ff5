//! What came of a run, for OpenTelemetry: one trace, sent by OTLP when the run has ended.
//!
//! ```text
//!   environment ─▶ settings (where to, in which form, whose part it is) ─▶ trace (the run and its phases) ─▶ wire ─▶ send
//! ```
//!
//! Nothing is sent unless the environment names a receiver. Spans are few: the run, and one for each phase or step. They name no
//! object, and what they say of a failure is what is told of it elsewhere. What goes wrong here is for whoever asks to tell: it
//! changes nothing of the run.

mod parent;
mod send;
mod settings;
mod span;
mod wire;

pub use settings::Settings;
pub use span::{Part, Trace};
