//! The Lambda function `list-point-history`.

fn main() -> Result<(), edge::Error> {
    edge::run(&points::list_point_history::function())
}
