//! The doors of the program, over real sockets: what they answer, and to what they never say yes.

mod admin;
mod api;
mod check;
mod forward_auth;
