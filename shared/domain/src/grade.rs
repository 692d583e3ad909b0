//! Grades: what a customer's completed orders amount to (등급).

use serde::{Deserialize, Serialize};

/// A customer's grade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Grade {
    /// Everybody.
    Bronze,
    /// From 10 completed orders on.
    Silver,
    /// From 50 completed orders on.
    Gold,
}

impl Grade {
    /// The grade of a customer with so many completed orders.
    pub const fn of(completed_orders: u64) -> Self {
        match completed_orders {
            0..10 => Self::Bronze,
            10..50 => Self::Silver,
            50.. => Self::Gold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grade_rises_with_the_tenth_and_the_fiftieth_order() {
        let grades = [0, 9, 10, 49, 50, u64::MAX].map(Grade::of);
        let expected = [Grade::Bronze, Grade::Bronze, Grade::Silver, Grade::Silver, Grade::Gold, Grade::Gold];
        assert_eq!(grades, expected);
    }
}
