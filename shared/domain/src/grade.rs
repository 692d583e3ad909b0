//! Grades: what a customer's completed orders amount to (등급).

use serde::{Deserialize, Serialize};

/// A customer's grade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Grade {
    /// Everybody.
    Bronze,
    /// From [`GradeThresholds::silver`] completed orders on.
    Silver,
    /// From [`GradeThresholds::gold`] completed orders on.
    Gold,
}

/// From how many completed orders on a customer has a grade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GradeThresholds {
    /// [`Grade::Silver`].
    pub silver: u64,
    /// [`Grade::Gold`].
    pub gold: u64,
}

impl Grade {
    /// The grade of a customer with so many completed orders.
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
    fn a_grade_rises_at_its_threshold() {
        let thresholds = GradeThresholds { silver: 10, gold: 50 };
        let grades = [0, 9, 10, 49, 50, u64::MAX].map(|orders| Grade::of(orders, thresholds));
        let expected = [Grade::Bronze, Grade::Bronze, Grade::Silver, Grade::Silver, Grade::Gold, Grade::Gold];
        assert_eq!(grades, expected);
    }
}
