//! Numbers for people.

/// A number with at most three digits and a unit: `999`, `1.05k`, `23.4M`, `7.00G`.
#[must_use]
pub fn short(number: u64) -> String {
    let (unit, name) = match number {
        0..1_000 => return number.to_string(),
        1_000..1_000_000 => (1_000, 'k'),
        1_000_000..1_000_000_000 => (1_000_000, 'M'),
        _ => (1_000_000_000, 'G'),
    };
    // In hundredths of the unit, rounded down: integers only.
    let hundredths = number / (unit / 100);
    match hundredths {
        0..1_000 => format!("{}.{:02}{name}", hundredths / 100, hundredths % 100),
        1_000..10_000 => format!("{}.{}{name}", hundredths / 100, hundredths % 100 / 10),
        _ => format!("{}{name}", hundredths / 100),
    }
}

/// A number with its digits in groups of three: `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_have_three_digits_and_never_round_up() {
        let shown: Vec<_> = [
            0,
            999,
            1_000,
            1_059,
            23_499,
            999_999,
            1_050_000,
            6_210_000,
            123_456_789,
            7_000_000_000,
        ]
        .map(short)
        .into();
        let expected =
            ["0", "999", "1.00k", "1.05k", "23.4k", "999k", "1.05M", "6.21M", "123M", "7.00G"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!([0, 12, 1_234, 1_234_567].map(grouped), ["0", "12", "1,234", "1,234,567"]);
    }
}
