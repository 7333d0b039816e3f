//! What is known of an unknown value: an extension whose body is a map with numbers as keys.

use rmp::encode;

use super::{Reader, Result, Token, put, utf8, write_number};
use crate::value::Refinement;
use crate::value::codec::Budget;

/// The extension of a refined unknown value; every other one is a plain unknown value.
pub(super) const CODE: i8 = 12;

/// The plain unknown value: extension 0 with one byte of 0.
pub(super) const PLAIN: [u8; 3] = [0xd4, 0, 0];

/// Terraform refuses a longer body.
const LONGEST: usize = 1024;

/// How much of a long prefix is worth to be told.
const LONGEST_PREFIX: usize = 256;

/// What is known of an unknown value. Nobody depends on it: what can't be read counts as not said.
pub(super) fn read(body: &[u8]) -> Refinement {
    let mut refinement = Refinement::NONE;
    let mut reader = Reader { bytes: body, budget: Budget::default() };
    let Ok(Token::Map(count)) = reader.token() else { return refinement };
    for _ in 0..count {
        let Ok(Token::Int(key)) = reader.token() else { return refinement };
        let Ok(token) = reader.token() else { return refinement };
        match (key, token) {
            (1, Token::Bool(null)) => refinement.null = Some(null),
            (2, Token::Text(prefix)) => refinement.prefix = utf8(prefix).ok(),
            (3 | 4, Token::Array(2)) => {
                let (Ok(bound), Ok(Token::Bool(inclusive))) = (reader.token(), reader.token()) else {
                    return refinement;
                };
                let bound = super::number(&bound).ok().map(|bound| (bound, inclusive));
                if key == 3 { refinement.lower = bound } else { refinement.upper = bound }
            }
            (5, Token::Int(length)) => refinement.min_length = length.try_into().ok(),
            (6, Token::Int(length)) => refinement.max_length = length.try_into().ok(),
            (5, Token::Unsigned(length)) => refinement.min_length = Some(length),
            (6, Token::Unsigned(length)) => refinement.max_length = Some(length),
            // of a kind that this does not know, and so of unknown length
            _ => return refinement,
        }
    }
    refinement
}

/// Writes an unknown value; what is known of it must be of its type.
pub(super) fn write(bytes: &mut Vec<u8>, refinement: &Refinement) -> Result<()> {
    let mut body = Vec::new();
    let mut count: u32 = 0;
    let mut key = |body: &mut Vec<u8>, key: i64| {
        count += 1;
        put(encode::write_sint(body, key))
    };
    if let Some(null) = refinement.null {
        key(&mut body, 1)?;
        put(encode::write_bool(&mut body, null))?;
    }
    if let Some(prefix) = &refinement.prefix {
        let end = (0..=prefix.len().min(LONGEST_PREFIX)).rev().find(|end| prefix.is_char_boundary(*end));
        key(&mut body, 2)?;
        put(encode::write_str(&mut body, prefix.get(..end.unwrap_or(0)).unwrap_or_default()))?;
    }
    for (bound, code) in [(&refinement.lower, 3), (&refinement.upper, 4)] {
        if let Some((number, inclusive)) = bound {
            key(&mut body, code)?;
            put(encode::write_array_len(&mut body, 2))?;
            write_number(&mut body, number)?;
            put(encode::write_bool(&mut body, *inclusive))?;
        }
    }
    for (length, code) in [(refinement.min_length, 5), (refinement.max_length, 6)] {
        if let Some(length) = length {
            key(&mut body, code)?;
            put(encode::write_uint(&mut body, length))?;
        }
    }
    let mut map = Vec::new();
    put(encode::write_map_len(&mut map, count))?;
    map.append(&mut body);
    match u32::try_from(map.len()) {
        // bounds of a thousand digits: that nothing is known is always true
        Ok(length) if count > 0 && map.len() <= LONGEST => {
            put(encode::write_ext_meta(bytes, length, CODE))?;
            bytes.append(&mut map);
        }
        _ => bytes.extend(PLAIN),
    }
    Ok(())
}
