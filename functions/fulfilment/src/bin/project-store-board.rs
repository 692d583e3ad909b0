//! The Lambda function `project-store-board`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::project_store_board::function())
}
