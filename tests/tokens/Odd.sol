// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "./Base.sol";

/// A token that also emits every log with ERC-20's topic0 that a watcher must survive. Each function emits one log.
contract Odd is Base("TODD", 6) {
    bytes32 private constant TOPIC = keccak256("Transfer(address,address,uint256)");

    /// 64 bytes of data: the amount and one word too many.
    function longData(address to, uint256 value) external {
        _log(_word(msg.sender), _word(to), abi.encode(value, uint256(1)));
    }

    /// 31 bytes of data: an amount that lost its last byte.
    function shortData(address to, uint256 value) external {
        bytes memory data = abi.encode(value);
        assembly {
            mstore(data, 31)
        }
        _log(_word(msg.sender), _word(to), data);
    }

    /// No data.
    function noData(address to) external {
        _log(_word(msg.sender), _word(to), "");
    }

    /// The recipient's topic has a bit above the 160 of an address.
    function dirtyTo(address to, uint256 value) external {
        _log(_word(msg.sender), _dirty(to), abi.encode(value));
    }

    /// The sender's topic has a bit above the 160 of an address.
    function dirtyFrom(address to, uint256 value) external {
        _log(_dirty(msg.sender), _word(to), abi.encode(value));
    }

    /// Nothing indexed: one topic, 96 bytes of data.
    function unindexed(address to, uint256 value) external {
        bytes memory data = abi.encode(msg.sender, to, value);
        bytes32 topic = TOPIC;
        assembly {
            log1(add(data, 32), mload(data), topic)
        }
    }

    /// Only the sender indexed: two topics, 64 bytes of data.
    function halfIndexed(address to, uint256 value) external {
        bytes memory data = abi.encode(to, value);
        bytes32 topic = TOPIC;
        assembly {
            log2(add(data, 32), mload(data), topic, caller())
        }
    }

    /// Four topics, as an ERC-721 has.
    function fourTopics(address to, uint256 value) external {
        bytes32 topic = TOPIC;
        assembly {
            log4(0, 0, topic, caller(), to, value)
        }
    }

    /// A well-formed transfer of nothing, from anyone to anyone: address poisoning.
    function zero(address from, address to) external {
        emit Transfer(from, to, 0);
    }

    /// A well-formed transfer from an address to itself.
    function toSelf(address who, uint256 value) external {
        emit Transfer(who, who, value);
    }

    /// A well-formed transfer of any amount up to 2^256-1 that no balance stands behind.
    function claim(address from, address to, uint256 value) external {
        emit Transfer(from, to, value);
    }

    function _log(bytes32 from, bytes32 to, bytes memory data) private {
        bytes32 topic = TOPIC;
        assembly {
            log3(add(data, 32), mload(data), topic, from, to)
        }
    }

    function _word(address who) private pure returns (bytes32) {
        return bytes32(uint256(uint160(who)));
    }

    function _dirty(address who) private pure returns (bytes32) {
        return bytes32(uint256(uint160(who)) | (1 << 160));
    }
}
