//! The parameters of one path, for `serde` to read.

use serde::{
    Deserializer,
    de::{
        self, IntoDeserializer, Visitor,
        value::{CowStrDeserializer, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use std::{borrow::Cow, error, fmt, str::FromStr};

/// Names and values, in the order of the template.
pub(super) struct Params<'a>(pub(super) Vec<(&'a str, Cow<'a, str>)>);

struct Value<'a> {
    name: &'a str,
    text: Cow<'a, str>,
}

#[derive(Debug)]
pub(super) struct Error {
    pub(super) field: Option<String>,
    pub(super) message: String,
}

// ===== impl Params =====

impl<'a> Params<'a> {
    fn values(self) -> impl Iterator<Item = Value<'a>> {
        self.0.into_iter().map(|(name, text)| Value { name, text })
    }

    /// Returns the value, if there is one and no more.
    fn one(self) -> Result<Value<'a>, Error> {
        let count = self.0.len();
        let mut values = self.values();
        match (count, values.next()) {
            (1, Some(value)) => Ok(value),
            _ => Err(de::Error::custom(format_args!("there are {count} parameters, not one"))),
        }
    }
}

macro_rules! of_the_only_one {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.one()?.$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Params<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let pairs = self.values().map(|value| (value.name, value));
        visitor.visit_map(MapDeserializer::new(pairs))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(SeqDeserializer::new(self.values()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.one()?.deserialize_enum(name, variants, visitor)
    }

    of_the_only_one! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option
    }

    forward_to_deserialize_any! { unit unit_struct map struct identifier ignored_any }
}

// ===== impl Value =====

impl<'de> Value<'de> {
    fn parse<T: FromStr<Err: fmt::Display>>(&self) -> Result<T, Error> {
        self.text.parse().map_err(|error: T::Err| {
            let message = error.to_string();
            Error { field: Some(self.name.to_owned()), message }
        })
    }

    fn visit<T>(
        self,
        read: impl FnOnce(CowStrDeserializer<'de, Error>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Self { name, text } = self;
        read(CowStrDeserializer::new(text)).map_err(|error| error.of(name))
    }
}

macro_rules! parsed {
    ($($method:ident => $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.parse()?).map_err(|error: Error| error.of(self.name))
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit(|text| text.deserialize_any(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let name = self.name;
        visitor.visit_newtype_struct(self).map_err(|error| error.of(name))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.visit(|text| text.deserialize_enum(name, variants, visitor))
    }

    parsed! {
        deserialize_bool => visit_bool
        deserialize_i8 => visit_i8
        deserialize_i16 => visit_i16
        deserialize_i32 => visit_i32
        deserialize_i64 => visit_i64
        deserialize_i128 => visit_i128
        deserialize_u8 => visit_u8
        deserialize_u16 => visit_u16
        deserialize_u32 => visit_u32
        deserialize_u64 => visit_u64
        deserialize_u128 => visit_u128
        deserialize_f32 => visit_f32
        deserialize_f64 => visit_f64
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Value<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

// ===== impl Error =====

impl Error {
    /// Says that it is about `field`, unless it is known already.
    fn of(mut self, field: &str) -> Self {
        self.field.get_or_insert_with(|| field.to_owned());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { field: None, message: message.to_string() }
    }
}
