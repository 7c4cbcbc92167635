//! The name of an instance.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// Longest id: with `.json` and a prefix for a temporary name it stays below the 255 bytes that file systems allow.
const MAX_ID_BYTES: usize = 128;

/// Name of an instance, unique on the machine: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`, hence a safe file name.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct InstanceId(Arc<str>);

/// Why a text is not an [`InstanceId`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// Nothing there.
    #[error("an id has at least one character")]
    Empty,
    /// More than 128 bytes.
    #[error("an id has at most {MAX_ID_BYTES} characters")]
    TooLong,
    /// It begins with a dot, a hyphen or an underscore.
    #[error("an id begins with a letter or a digit of ASCII")]
    First,
    /// Something other than letters, digits, dots, hyphens and underscores.
    #[error("an id has only letters and digits of ASCII, `.`, `_` and `-`")]
    Character,
    /// For a file name: it does not end in `.json`.
    #[error("it does not end in .json")]
    Extension,
}

impl InstanceId {
    /// Checks a text.
    ///
    /// # Errors
    /// When it is not of the form `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let first = text.bytes().next().ok_or(InvalidId::Empty)?;
        if text.len() > MAX_ID_BYTES {
            return Err(InvalidId::TooLong);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if !text.bytes().all(allowed) {
            return Err(InvalidId::Character);
        }
        if !first.is_ascii_alphanumeric() {
            return Err(InvalidId::First);
        }
        Ok(Self(text.into()))
    }

    /// A new id that no other instance has: a random UUID.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string().into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for InstanceId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

impl AsRef<str> for InstanceId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Maps keyed by id can be asked with a plain text.
impl Borrow<str> for InstanceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for InstanceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
