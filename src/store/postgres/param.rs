//! What goes along with a statement. Its types are named, so that no column says what they must be.

use std::error::Error as StdError;

use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

/// A parameter of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Param {
    Text(Option<String>),
    Whole(i64),
    Texts(Vec<Option<String>>),
    Wholes(Vec<i64>),
}

impl Param {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(Some(text.into()))
    }

    pub(super) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::Texts(texts.into_iter().map(|text| Some(text.into())).collect())
    }

    /// A number, which is at most the greatest that a database counts to.
    pub(super) fn count(number: usize) -> Self {
        Self::Whole(i64::try_from(number).unwrap_or(i64::MAX))
    }

    pub(super) fn sql_type(&self) -> Type {
        match self {
            Self::Text(_) => Type::TEXT,
            Self::Whole(_) => Type::INT8,
            Self::Texts(_) => Type::TEXT_ARRAY,
            Self::Wholes(_) => Type::INT8_ARRAY,
        }
    }
}

impl ToSql for Param {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Text(text) => text.to_sql(ty, out),
            Self::Whole(number) => number.to_sql(ty, out),
            Self::Texts(texts) => texts.to_sql(ty, out),
            Self::Wholes(numbers) => numbers.to_sql(ty, out),
        }
    }

    /// The types of a statement's parameters are those that [`Self::sql_type`] says.
    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }

    to_sql_checked!();
}
