//! Geohashes: cells of the globe. The name of a cell starts with the name of the cell that contains
//! it (<https://en.wikipedia.org/wiki/Geohash>). All calculations use whole numbers, so that the
//! borders of cells are exact.

use crate::position::Position;
use std::fmt;

/// A cell of a grid. Each level of precision halves the cells five more times, alternating between
/// east-west and north-south.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    precision: u32,
    /// The row, counted from the south pole.
    row: u64,
    /// The column, counted eastwards from the date line.
    column: u64,
}

/// 180°, in ten-millionths of a degree.
const HALF_TURN: i64 = 1_800_000_000;

impl Cell {
    /// The cell that contains a point. `precision` is the length of the cell's name, 1 to 12
    /// characters.
    pub fn of(Position { lat, lng }: Position, precision: u32) -> Self {
        let grid = Self { precision, row: 0, column: 0 };
        let place = |from_start: i64, whole: i64, cells: u64| {
            let place =
                i128::from(from_start.clamp(0, whole)) * i128::from(cells) / i128::from(whole);
            u64::try_from(place).unwrap_or_default().min(cells - 1)
        };
        Self {
            row: place(lat.e7() + HALF_TURN / 2, HALF_TURN, grid.rows()),
            // 180° east is the same meridian as 180° west.
            column: place(
                (lng.e7() + HALF_TURN).rem_euclid(2 * HALF_TURN),
                2 * HALF_TURN,
                grid.columns(),
            ),
            ..grid
        }
    }

    /// The number of rows of the grid.
    pub const fn rows(self) -> u64 {
        1 << (5 * self.precision / 2)
    }

    /// The number of columns of the grid.
    pub const fn columns(self) -> u64 {
        1 << (5 * self.precision).div_ceil(2)
    }

    /// The cell of a coarser `precision` that contains this one. The cell itself if `precision` is
    /// not coarser.
    #[must_use]
    pub const fn within(self, precision: u32) -> Self {
        let coarse = Self { precision, ..self };
        if precision >= self.precision {
            return self;
        }
        let (rows, columns) = (self.rows() / coarse.rows(), self.columns() / coarse.columns());
        Self { precision, row: self.row / rows, column: self.column / columns }
    }

    /// This cell and its neighbours: `rows` rows on each side, up to the poles, and `columns`
    /// columns on each side, around the globe.
    pub fn with_neighbours(self, rows: u64, columns: u64) -> Vec<Self> {
        let all_columns = self.columns();
        let span = if 2 * columns + 1 >= all_columns { 0..all_columns } else { 0..2 * columns + 1 };
        let around = (self.row.saturating_sub(rows)..=(self.row + rows).min(self.rows() - 1))
            .flat_map(|row| {
                span.clone().map(move |step| {
                    let column =
                        (self.column + all_columns - columns % all_columns + step) % all_columns;
                    Self { row, column, ..self }
                })
            });
        around.collect()
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let (mut row_bits, mut column_bits) =
            (5 * self.precision / 2, (5 * self.precision).div_ceil(2));
        let mut bit_of = |is_column: bool| {
            let (bits, value) =
                if is_column { (&mut column_bits, self.column) } else { (&mut row_bits, self.row) };
            *bits -= 1;
            usize::from(value >> *bits & 1 == 1)
        };
        for character in 0..self.precision {
            let bits = (0..5).map(|bit| bit_of((character * 5 + bit) % 2 == 0));
            let index = bits.fold(0, |index, bit| index << 1 | bit);
            write!(f, "{}", char::from(ALPHABET[index]))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lat: &str, lng: &str) -> Position {
        Position { lat: lat.parse().unwrap(), lng: lng.parse().unwrap() }
    }

    /// The first two cases are the examples of the Wikipedia article. The third is Seoul City Hall.
    #[test]
    fn cell_names_match_published_geohashes() {
        for (position, name) in [
            (at("57.64911", "10.40744"), "u4pruydqqvj"),
            (at("42.605", "-5.603"), "ezs42"),
            (at("37.5663", "126.9779"), "wydm9"),
            (at("-90", "-180"), "00000"),
            (at("90", "179.9999999"), "zzzzz"),
            (at("0", "0"), "s0000"),
            (at("0", "-0.0000001"), "ebpbp"),
        ] {
            let precision = u32::try_from(name.len()).unwrap();
            assert_eq!(Cell::of(position, precision).to_string(), name);
            let within = Cell::of(position, precision + 3).to_string();
            assert!(within.starts_with(name), "{within} must be within {name}");
            assert_eq!(
                Cell::of(position, precision + 3).within(precision),
                Cell::of(position, precision)
            );
        }
    }

    #[test]
    fn neighbours_continue_across_the_date_line_and_end_at_the_poles() {
        let names = |cells: Vec<Cell>| cells.iter().map(Cell::to_string).collect::<Vec<_>>();
        let east = Cell::of(at("1", "179.99"), 2);
        assert_eq!(names(east.with_neighbours(0, 1)), ["x8", "xb", "80"]);
        assert_eq!(
            names(Cell::of(at("1", "-179.99"), 2).with_neighbours(0, 1)),
            ["xb", "80", "82"]
        );
        let north = Cell::of(at("90", "0"), 1);
        assert_eq!(north.with_neighbours(1, 1).len(), 6);
        assert_eq!(north.with_neighbours(1, 9).len(), 2 * 8, "no cell is listed twice");
    }
}
