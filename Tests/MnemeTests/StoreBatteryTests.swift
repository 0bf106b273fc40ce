import Mneme
import StoreConformance
import Testing

@Suite struct StoreBatteryTests {
  @Test("MemoryStore keeps the contract of stores", arguments: StoreBattery.cases(sharing: false))
  func memory(rule: StoreCase) throws {
    try rule.check(StorePlace(sharing: false) { MemoryStore() })
  }

  @Test(
    "a store with only the required methods keeps it too", arguments: StoreBattery.cases(sharing: false))
  func list(rule: StoreCase) throws {
    try rule.check(StorePlace(sharing: false) { ListStore() })
  }

  @Test("each rule of the battery has a sentence of its own")
  func sentences() {
    #expect(Set(StoreBattery.all.map(\.sentence)).count == StoreBattery.all.count)
  }
}
