//! Tests of the room as a whole, on files written by hand.

mod damage;
mod hash;
mod reading;
mod scanning;
