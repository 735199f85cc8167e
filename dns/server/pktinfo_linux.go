//go:build amd64 || arm64 || riscv64 || ppc64le || s390x || loong64 || mips64 || mips64le

package server

import (
	"encoding/binary"
	"net"
	"syscall"
)

// A socket that listens on all addresses must answer from the one that was
// asked, or the answer is thrown away. The kernel tells it beside each packet,
// and takes the same words back when sending.

const (
	cmsgHeader = 16 // length (8), level (4), type (4)
	info4      = 12 // interface (4), local address (4), destination (4)
	info6      = 20 // destination (16), interface (4)
)

// wantPacketInfo asks for the words if the socket needs them.
func wantPacketInfo(c *net.UDPConn) (bool, error) {
	local, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok || !local.IP.IsUnspecified() {
		return false, nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false, err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		if local.IP.To4() != nil {
			set = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_PKTINFO, 1)
		} else {
			set = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_RECVPKTINFO, 1)
		}
	})
	if err == nil {
		err = set
	}
	return true, err
}

// replyFrom turns what came with a packet into what goes with its answer: the
// same address, but any interface, since the way back may be another. It
// works in place.
func replyFrom(oob []byte) []byte {
	if len(oob) < cmsgHeader {
		return nil
	}
	size := int(binary.NativeEndian.Uint64(oob))
	level, kind := int(binary.NativeEndian.Uint32(oob[8:])), int(binary.NativeEndian.Uint32(oob[12:]))
	data := oob[cmsgHeader:]
	switch {
	case level == syscall.IPPROTO_IP && kind == syscall.IP_PKTINFO && size == cmsgHeader+info4 && len(data) >= info4:
		clear(data[:4])
	case level == syscall.IPPROTO_IPV6 && kind == syscall.IPV6_PKTINFO && size == cmsgHeader+info6 && len(data) >= info6:
		if data[0] != 0xFE || data[1]&0xC0 != 0x80 { // a link-local address means nothing without its interface
			clear(data[16:20])
		}
	default:
		return nil
	}
	return oob[:min(len(oob), (size+7)&^7)]
}
