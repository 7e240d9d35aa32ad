// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "./Base.sol";

/// Pays many in one transaction, as exchanges do: one transaction hash, many transfers.
contract Many is Base("TMANY", 6) {
    function many(address[] calldata to, uint256[] calldata amounts) external {
        require(to.length == amounts.length, "lengths differ");
        for (uint256 i = 0; i < to.length; i++) {
            _move(msg.sender, to[i], amounts[i]);
        }
    }
}
