//! Names and passwords: HTTP's Basic scheme (RFC 7617).
//!
//! [`Basic`] reads them and asks [`Users`]: a function, [`StaticUsers`] out of the
//! configuration, or, with the feature `htpasswd`, a file of hashes that is read
//! again when it changes (`Htpasswd`). A client writes its own by [`header`].
//!
//! ```
//! use kit_auth::{
//!     Auth,
//!     basic::{Basic, StaticUsers},
//! };
//!
//! let users = StaticUsers::new([("ada", "correct horse")])?;
//! let auth = Auth::new(Basic::new("orders", users));
//! # let _ = auth;
//! # Ok::<_, kit_auth::basic::BadUsers>(())
//! ```
//!
//! Basic shows the password to whoever reads the connection: it is for TLS alone.
//!
//! # What is read
//!
//! One `authorization` header, base64 by RFC 4648's alphabet with its padding, of a
//! name and a password in UTF-8, between which is the first colon. Anything else,
//! control characters among them (Unicode's, of which RFC 5234's are some), is
//! [`Malformed::Syntax`](crate::Malformed::Syntax), and no user is looked for.
//!
//! The challenge asks for UTF-8 (section 2.1), by which a client should send
//! Unicode's Normalization Form C. Whether it does is not checked, and nothing is
//! converted: names and passwords are compared as the bytes that came, so a user of
//! whom they are kept in that form gets in with every client that does as it is
//! told, and a password in another form is another password.
//!
//! # What a caller learns
//!
//! A name that nobody has and a password that is wrong are the same answer,
//! [`Reason::Invalid`](crate::Reason::Invalid), after the same work, and nothing of
//! what was sent comes back. Passwords that were decoded are wiped.

mod authenticator;
mod credentials;
mod error;
#[cfg(feature = "htpasswd")]
mod htpasswd;
#[cfg(feature = "htpasswd")]
mod password_hash;
mod static_users;
mod users;
#[cfg(feature = "htpasswd")]
mod workers;

pub use self::{
    authenticator::Basic,
    credentials::header,
    error::{BadUsers, Unfit},
    static_users::StaticUsers,
    users::{User, Users},
};
#[cfg(feature = "htpasswd")]
pub use self::{
    htpasswd::{BadLine, Htpasswd, LoadError, Wrong},
    password_hash::{BadHash, PasswordHash},
    workers::Workers,
};
