//! Grades of customers, by their number of completed orders (등급).

use serde::{Deserialize, Serialize};

/// A customer's grade.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Grade {
    /// Every other customer.
    Bronze,
    /// At least [`GradeThresholds::silver`] completed orders.
    Silver,
    /// At least [`GradeThresholds::gold`] completed orders.
    Gold,
}

/// The number of completed orders from which a customer has a grade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GradeThresholds {
    /// The threshold of [`Grade::Silver`].
    pub silver: u64,
    /// The threshold of [`Grade::Gold`].
    pub gold: u64,
}

impl Grade {
    /// The grade of a customer with `completed_orders` completed orders.
    pub const fn of(completed_orders: u64, thresholds: GradeThresholds) -> Self {
        if completed_orders >= thresholds.gold {
            Self::Gold
        } else if completed_orders >= thresholds.silver {
            Self::Silver
        } else {
            Self::Bronze
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grade_starts_at_its_threshold() {
        let thresholds = GradeThresholds { silver: 10, gold: 50 };
        let grades = [0, 9, 10, 49, 50, u64::MAX].map(|orders| Grade::of(orders, thresholds));
        let expected =
            [Grade::Bronze, Grade::Bronze, Grade::Silver, Grade::Silver, Grade::Gold, Grade::Gold];
        assert_eq!(grades, expected);
    }
}
