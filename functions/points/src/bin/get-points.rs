//! The Lambda function `get-points`.

fn main() -> Result<(), edge::Error> {
    edge::run(&points::get_points::function())
}
