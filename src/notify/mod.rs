//! Telling somebody, by a webhook, what came of something.
//!
//! ```text
//!   result ─▶ message (what is told) ─▶ form (as the receiver takes it) ─▶ sign ─▶ send (tries, pauses) ─▶ delivered, or why not
//! ```
//!
//! What a message holds is known by `message` alone, and how it is delivered by `channel`: neither knows of the other's. The address
//! and the secret of a channel are in no error, no log and no debug output: who knows the address of a webhook can often write to it.

mod call;
mod channel;
mod form;
mod message;
mod send;
mod sign;

pub use call::{Call, NoReply, Reply, call};
pub use channel::{BadChannel, Channel};
pub use form::{Form, Template};
pub use message::Message;
pub use send::{Delivery, Pauses, deliver, ping};
