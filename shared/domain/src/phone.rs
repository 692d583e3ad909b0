//! Phone numbers, which must never be logged.

use serde::{Deserialize, Deserializer, Serialize, de};
use std::{fmt, str::FromStr};

/// The maximum length of a phone number, in characters.
const MAX_LENGTH: usize = 20;

/// A phone number as it was written: 1 to 20 digits, spaces, `+` and `-`. It has no `Display`, and
/// its `Debug` is redacted.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PhoneNumber(String);

/// The text is not a valid phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_LENGTH} digits, spaces, '+' and '-'")]
pub struct InvalidPhoneNumber;

impl PhoneNumber {
    /// The number as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits to dial within Korea: `01012345678` for `+82 10-1234-5678`. `None` for a number
    /// of another country.
    pub fn dialled(&self) -> Option<Dialled> {
        let digits: String = self.0.chars().filter(char::is_ascii_digit).collect();
        if !self.0.trim_start().starts_with('+') {
            return Some(Dialled(digits));
        }
        let national = digits.strip_prefix("82")?;
        Some(Dialled(format!("0{}", national.trim_start_matches('0'))))
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(…)")
    }
}

/// A digest of a text that contains a phone number, for a database key.
pub fn digest(text: &str) -> String {
    use sha2::{Digest, Sha256};
    let mut digest = [0; 16];
    digest.copy_from_slice(&Sha256::digest(text)[..16]);
    format!("{:032x}", u128::from_be_bytes(digest))
}

/// A Korean mobile number, `010` and eight digits, in any notation. Messages are sent only to such
/// numbers, so that a caller cannot make us contact a premium-rate or foreign number.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct MobileNumber(PhoneNumber);

/// The text is not a valid Korean mobile number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a Korean mobile number, such as 010-1234-5678")]
pub struct InvalidMobileNumber;

impl MobileNumber {
    /// The number as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The digits to dial within Korea.
    pub fn dialled(&self) -> Dialled {
        // `from_str` has verified that the number is Korean.
        self.0.dialled().unwrap_or_else(|| Dialled(String::new()))
    }
}

impl fmt::Debug for MobileNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MobileNumber(…)")
    }
}

impl FromStr for MobileNumber {
    type Err = InvalidMobileNumber;

    fn from_str(text: &str) -> Result<Self, InvalidMobileNumber> {
        let number: PhoneNumber = text.parse().map_err(|_| InvalidMobileNumber)?;
        let dialled = number.dialled().ok_or(InvalidMobileNumber)?;
        if dialled.0.len() == 11 && dialled.0.starts_with("010") {
            Ok(Self(number))
        } else {
            Err(InvalidMobileNumber)
        }
    }
}

impl<'de> Deserialize<'de> for MobileNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl schemars::JsonSchema for MobileNumber {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MobileNumber".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "maxLength": MAX_LENGTH, "examples": ["010-1234-5678"] })
    }
}

/// The digits to dial within Korea. Like a [`PhoneNumber`], they must never be logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Dialled(String);

impl Dialled {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Dialled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialled(…)")
    }
}

impl FromStr for PhoneNumber {
    type Err = InvalidPhoneNumber;

    fn from_str(text: &str) -> Result<Self, InvalidPhoneNumber> {
        let is_valid = text.bytes().all(|byte| byte.is_ascii_digit() || b" +-".contains(&byte));
        let has_digits = text.bytes().any(|byte| byte.is_ascii_digit());
        if is_valid && has_digits && text.len() <= MAX_LENGTH {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPhoneNumber)
        }
    }
}

impl<'de> Deserialize<'de> for PhoneNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl schemars::JsonSchema for PhoneNumber {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PhoneNumber".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9 +-]{1,20}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_of_a_number_gives_the_digits_to_dial_within_korea() {
        for (written, dialled) in [
            ("010-1234-5678", "01012345678"),
            ("+82 10-1234-5678", "01012345678"),
            ("+82 010 1234 5678", "01012345678"),
            ("02 123 4567", "021234567"),
            ("8210", "8210"),
        ] {
            assert_eq!(
                written.parse::<PhoneNumber>().unwrap().dialled(),
                Some(Dialled(dialled.to_owned()))
            );
        }
        assert_eq!(
            "+1 650 253 0000".parse::<PhoneNumber>().unwrap().dialled(),
            None,
            "it is not a Korean number"
        );
        for bad in ["", "-", "call me", "010.1234.5678", "012345678901234567890"] {
            assert_eq!(bad.parse::<PhoneNumber>(), Err(InvalidPhoneNumber), "{bad}");
        }
    }

    #[test]
    fn messages_are_sent_to_korean_mobile_numbers_only() {
        for good in ["010-1234-5678", "01012345678", "+82 10-1234-5678"] {
            assert_eq!(
                good.parse::<MobileNumber>().unwrap().dialled().as_str(),
                "01012345678",
                "{good}"
            );
        }
        for bad in [
            "060-700-1234",
            "02-123-4567",
            "010-1234-567",
            "011-123-4567",
            "+1 650 253 0000",
            "112",
            "010-1234-56789",
        ] {
            assert_eq!(bad.parse::<MobileNumber>(), Err(InvalidMobileNumber), "{bad}");
        }
    }

    #[test]
    fn debug_output_does_not_show_a_number() {
        let phone: PhoneNumber = "010-1234-5678".parse().unwrap();
        assert!(!format!("{phone:?} {:?}", phone.dialled()).contains("1234"));
    }
}
